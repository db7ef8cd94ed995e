COPY tickets FROM stdin;
1
\.
