import { randomBytes } from "node:crypto";
import type { Socket } from "node:net";
import { description, error, int16, int32, message, row, type Fault } from "./scripted-server.ts";

/** Instead of the right bytes. */
export const faults: Record<string, Fault> = {
  "says nothing more": () => false,
  closes: (socket) => (socket.end(), false),
  resets: (socket) => (socket.resetAndDestroy(), false),
  "stops in the middle": (socket, right) => (socket.write(right.subarray(0, -1)), false),
  "closes in the middle": (socket, right) => (socket.end(right.subarray(0, -1)), false),
  "leaves a message out": () => true,
  "says everything twice": (socket, right) => socket.write(Buffer.concat([right, right])),
  "says random bytes": (socket) => socket.write(randomBytes(64)),
  "says HTTP": (socket) => (socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"), false),
  "announces a message of 2 GB": (socket) =>
    flood(socket, Buffer.from("D\x7f\xff\xff\xff", "latin1")),
  "announces an error of 2 GB": (socket) =>
    flood(socket, Buffer.from("E\x7f\xff\xff\xff", "latin1")),
  "announces a negative length": (socket) =>
    flood(socket, Buffer.from("R\xff\xff\xff\xff", "latin1")),
  "announces a length of 0": (socket) => socket.write(Buffer.from("R\0\0\0\0")),
  "announces a length of 3": (socket) => socket.write(Buffer.from("N\0\0\0\x03")),
  "says an error without a SQLSTATE": (socket) => (
    socket.end(error({ S: "FATAL", M: "no" })),
    false
  ),
  "says an error without anything": (socket) => (socket.end(error({})), false),
  "says an error that does not end": (socket) => socket.write(message("E", "SFATAL\0C57P03\0Mno")),
  "says an error with a strange SQLSTATE": (socket) => (
    socket.end(error({ C: "\u001b[31m", M: "\u001b[31mred" })),
    false
  ),
  "says that it starts, in another language": (socket) => (
    socket.end(error({ S: "FATAL", V: "FATAL", C: "57P03", M: "das Datenbanksystem startet" })),
    false
  ),
  "cannot fork": (socket) => (socket.end("Ecould not fork new process for connection\0"), false),
  "says notices without end": (socket) =>
    flood(socket, message("N", "SNOTICE\0C00000\0Mhello\0\0")),
  "reports settings without end": (socket) => flood(socket, manySettings),
  "says rows without end": (socket) => flood(socket, row("1")),
  "describes without end": (socket) => flood(socket, description(["a", 23], ["b", 25])),
  "is ready without end": (socket) => flood(socket, message("Z", "I")),
  "says an unknown message": (socket) => socket.write(message("~", "hm")),
  "says a row that nobody announced": (socket) => socket.write(row("1", "2", "3")),
  "says a row with a value of negative length": (socket) =>
    socket.write(message("D", int16(1), int32(-7))),
  "says a row with a value beyond its end": (socket) =>
    socket.write(message("D", int16(1), int32(1_000_000), "x")),
  "describes columns that do not end": (socket) => socket.write(message("T", int16(9), "a\0")),
  "says JSON that is none": (socket) =>
    socket.write(Buffer.concat([description(["pid", 114]), row("{oops")])),
  "wants to copy in": (socket) => socket.write(message("G", "\0", int16(0))),
  "wants to copy out": (socket) => socket.write(message("H", "\0", int16(0))),
  "wants to copy both ways": (socket) => socket.write(message("W", "\0", int16(0))),
  "negotiates another protocol": (socket) => socket.write(message("v", int32(0), int32(0))),
  "is ready in a state that there is not": (socket) => socket.write(message("Z", "?")),
  "asks for a login again": (socket) => socket.write(message("R", int32(5), "salt")),
  "says that the login is over": (socket) => socket.write(message("R", int32(0))),
  "asks for Kerberos": (socket) => socket.write(message("R", int32(7))),
  "asks for a login of no known kind": (socket) => socket.write(message("R", int32(99))),
  "asks for a login without saying which": (socket) => socket.write(message("R")),
  "offers OAUTHBEARER only": (socket) => socket.write(message("R", int32(10), "OAUTHBEARER\0\0")),
  "challenges with an empty text": (socket) => socket.write(message("R", int32(11))),
  "challenges with somebody else's nonce": (socket) =>
    socket.write(message("R", int32(11), "r=abc,s=c2FsdA==,i=4096")),
  "challenges with years of work": (socket, right) =>
    change(socket, right, "i=4096", "i=2147483647"),
  "challenges with no number of rounds": (socket, right) =>
    change(socket, right, "i=4096", "i=many"),
  "challenges without a salt": (socket, right) => change(socket, right, /s=[^,]*/, "s="),
  "proves nothing": (socket) => socket.write(message("R", int32(12), "v=AAAA")),
  "says that the proof has failed": (socket) =>
    socket.write(message("R", int32(12), "e=other-error")),
  "says a key without bytes": (socket) => socket.write(message("K", int32(1))),
  "says a setting without a value": (socket) => socket.write(message("S", "a\0")),
};

const manySettings = Buffer.concat(
  Array.from({ length: 20_000 }, (_, number) => message("S", `setting_${number}\0`, "value\0")),
);

/** As much as the network takes, for as long as somebody listens. */
function flood(socket: Socket, piece: Buffer): false {
  const pieces = Buffer.concat(Array.from({ length: piece.length > 1000 ? 1 : 2000 }, () => piece));
  const pour = (): void => {
    while (!socket.destroyed && socket.write(pieces));
  };
  socket.on("drain", pour);
  pour();
  return false;
}

function change(socket: Socket, right: Buffer, from: string | RegExp, to: string): boolean {
  const text = right.subarray(9).toString("latin1").replace(from, to);
  return right.length < 9 || socket.write(message("R", int32(11), text));
}
