// Typists for typing_.py: raw sockets and frames by hand, so that what is measured is the server. Its argument is a JSON
// object; it says "ready" when everybody's file is open, measures after a line on its standard input, and ends with one
// JSON object. A time is from the moment when a key was to be pressed, whether or not the client was late.
import { connect } from "node:net";
import { monitorEventLoopDelay, performance } from "node:perf_hooks";

const given = JSON.parse(process.argv[2]);
const [host, port] = given.address.split(":");
const PROGRAM = Array.from({ length: 60 }, (_, i) => `value_${i} = compute(${i}, "some text")  # line ${i}\n`).join("");

const latencies = [];
let refused = 0;
let measuring = false;

function frame(text) {
  const payload = Buffer.from(text);
  const long = payload.length >= 126;
  const head = Buffer.alloc(long ? 8 : 6); // with a mask of zeros the text stays as it is
  head[0] = 0x81;
  head[1] = 0x80 | (long ? 126 : payload.length);
  if (long) head.writeUInt16BE(payload.length, 2);
  return Buffer.concat([head, payload]);
}

class Typist {
  constructor(cookie) {
    this.cookie = cookie;
    this.rest = Buffer.alloc(0);
    this.due = []; // when each edit that was not acknowledged yet was to be made
    this.sent = 0; // how many of these are under way
    this.length = PROGRAM.length;
    this.at = 100;
    this.greeted = false;
    this.answer = null;
    this.socket = connect({ host, port: Number(port), noDelay: true });
    this.socket.on("data", (data) => this.take(data));
    this.socket.on("error", (error) => fail(error.message));
  }

  take(data) {
    let bytes = this.rest.length > 0 ? Buffer.concat([this.rest, data]) : data;
    bytes = given.way === "push" ? this.takeFrames(bytes) : this.takeAnswers(bytes);
    this.rest = Buffer.from(bytes);
  }

  type(now) {
    this.due.push(now);
    if (this.sent === 0) this.send();
  }

  acknowledged(ok) {
    const now = performance.now();
    const done = this.due.splice(0, this.sent);
    this.sent = 0;
    if (!ok) refused += done.length;
    else if (measuring) for (const due of done) latencies.push(now - due);
    if (this.due.length > 0) this.send();
  }

  // Documents

  greet() {
    return new Promise((resolve) => {
      this.answer = resolve;
      this.socket.write(
        `GET /c/${given.slug}/socket HTTP/1.1\r\nHost: ${given.address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
          `Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: carrel.1\r\n` +
          `Origin: http://${given.address}\r\nCookie: carrel_session=${this.cookie}\r\n\r\n`,
      );
    });
  }

  ask(type, fields) {
    return new Promise((resolve) => {
      this.answer = resolve;
      this.socket.write(frame(JSON.stringify({ type, id: 1, ...fields })));
    });
  }

  takeFrames(bytes) {
    if (!this.greeted) {
      const end = bytes.indexOf("\r\n\r\n");
      if (end < 0) return bytes;
      this.greeted = true;
      bytes = bytes.subarray(end + 4);
    }
    while (bytes.length >= 2) {
      let size = bytes[1];
      let begin = 2;
      if (size === 126) [size, begin] = [bytes.length < 4 ? Infinity : bytes.readUInt16BE(2), 4];
      else if (size === 127) [size, begin] = [bytes.length < 10 ? Infinity : Number(bytes.readBigUInt64BE(2)), 10];
      if (bytes.length < begin + size) break;
      if ((bytes[0] & 15) === 1) this.takeMessage(bytes.toString("utf8", begin, begin + size));
      bytes = bytes.subarray(begin + size);
    }
    return bytes;
  }

  takeMessage(text) {
    // What is not about us costs no parsing: the client shares the machine.
    if (text.startsWith('{"type":"document.state"') || text.startsWith('{"type":"files.')) return;
    const message = JSON.parse(text);
    if (message.type === "hello" || (message.id === 1 && this.answer)) {
      const { answer } = this;
      this.answer = null;
      answer(message);
    } else if (message.id === 2) {
      if (message.type === "reply") this.revision = message.revision;
      this.acknowledged(message.type === "reply");
    }
  }

  sendPush() {
    const updates = [];
    for (; this.sent < this.due.length; this.sent++) {
      updates.push({ client: "typist", changes: [this.at, [0, "x"], this.length - this.at] });
      this.at++;
      this.length++;
    }
    this.socket.write(frame(JSON.stringify({ type: "document.push", id: 2, document: this.document, revision: this.revision, updates })));
  }

  // The whole file each time

  takeAnswers(bytes) {
    for (;;) {
      const end = bytes.indexOf("\r\n\r\n");
      if (end < 0) return bytes;
      const head = bytes.toString("latin1", 0, end);
      const size = Number(/content-length: *(\d+)/i.exec(head)?.[1] ?? 0);
      if (bytes.length < end + 4 + size) return bytes;
      this.acknowledged(/^HTTP\/1.1 20/.test(head));
      bytes = bytes.subarray(end + 4 + size);
    }
  }

  sendWhole() {
    for (; this.sent < this.due.length; this.sent++) this.length++;
    const text = PROGRAM + "x".repeat(this.length - PROGRAM.length);
    this.socket.write(
      `PUT ${this.address}?overwrite=1 HTTP/1.1\r\nHost: ${given.address}\r\nOrigin: http://${given.address}\r\n` +
        `Cookie: carrel_session=${this.cookie}\r\nContent-Length: ${text.length}\r\n\r\n${text}`,
    );
  }

  send() {
    if (given.way === "push") this.sendPush();
    else this.sendWhole();
  }

  async begin(number) {
    if (given.way === "put") {
      this.address = `/c/${given.slug}/files/Local/pupil-${number}/typed.py`;
      return;
    }
    const hello = await this.greet();
    const path = `Local/${hello.person.folder}/typed.py`;
    await this.ask("file.save", { path, text: PROGRAM, overwrite: true });
    const opened = await this.ask("document.open", { path });
    if (opened.type !== "reply") fail(JSON.stringify(opened));
    this.document = opened.document;
    this.revision = opened.revision;
  }
}

function fail(text) {
  console.error(`typists: ${text}`);
  process.exit(1);
}

const line = () => new Promise((resolve) => process.stdin.once("data", resolve));
const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Everybody presses a key each `interval`, spread evenly over it. */
async function type(typists, interval, milliseconds) {
  const each = interval / typists.length;
  const started = performance.now();
  for (let count = 0; count * each < milliseconds;) {
    const now = performance.now() - started;
    for (; count * each <= now && count * each < milliseconds; count++)
      typists[count % typists.length].type(started + count * each);
    await sleep(1);
  }
}

async function main() {
  const typists = given.cookies.map((cookie) => new Typist(cookie));
  let next = 0;
  const begin = async () => {
    while (next < typists.length) {
      const number = next++;
      await typists[number].begin(number);
    }
  };
  await Promise.all(Array.from({ length: 16 }, begin));
  const interval = 1000 / given.rate;
  await type(typists, interval, 2000);
  console.log("ready");
  await line();
  const lag = monitorEventLoopDelay({ resolution: 1 });
  lag.enable();
  measuring = true;
  const before = process.cpuUsage();
  await type(typists, interval, given.seconds * 1000);
  const used = process.cpuUsage(before);
  for (let waited = 0; typists.some((typist) => typist.due.length > 0) && waited < 10_000; waited += 20) await sleep(20);
  const late = typists.flatMap((typist) => typist.due).map((due) => performance.now() - due);
  latencies.push(...late); // not acknowledged by now: at least that long
  latencies.sort((a, b) => a - b);
  const part = (share) => latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))] / 1000;
  console.log(
    JSON.stringify({
      p50: part(0.5), p99: part(0.99), count: latencies.length - late.length, late: late.length, refused,
      lag: lag.percentile(99) / 1e9, cpu: (used.user + used.system) / 1e6 / given.seconds,
    }),
  ); // prettier-ignore
  process.exit(0);
}

await main();
