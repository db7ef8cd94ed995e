CREATE TABLE topics (id bigint PRIMARY KEY);
