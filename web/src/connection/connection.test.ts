import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { reconnectDelay } from "./backoff";
import { Connection } from "./connection";
import { decodeOutput, encodeInput } from "./frames";

class FakeSocket {
  static all: FakeSocket[] = [];
  readyState = 1;
  sent: (string | Uint8Array)[] = [];
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: ((event: { code: number }) => void) | null = null;

  constructor() {
    FakeSocket.all.push(this);
  }

  static get last(): FakeSocket {
    const socket = FakeSocket.all.at(-1);
    if (!socket) throw new Error("no socket");
    return socket;
  }

  send(data: string | Uint8Array): void {
    this.sent.push(data);
  }

  close(): void {
    this.readyState = 3;
  }

  say(message: object): void {
    this.onmessage?.({ data: JSON.stringify(message) });
  }

  greet(): void {
    this.say({ type: "hello" });
  }

  get requests(): { type: string; id: number }[] {
    return this.sent.map((data) => JSON.parse(data as string) as { type: string; id: number });
  }
}

let connection: Connection;
let sessionIsOver = false;

beforeEach(() => {
  vi.useFakeTimers();
  vi.spyOn(Math, "random").mockReturnValue(0.5);
  FakeSocket.all = [];
  sessionIsOver = false;
  connection = new Connection({
    url: "ws://test/socket",
    open: () => new FakeSocket() as unknown as WebSocket,
    sessionIsOver: () => Promise.resolve(sessionIsOver),
    offlineMessage: "offline",
  });
  connection.start();
});

afterEach(() => {
  connection.stop();
  vi.useRealTimers();
  vi.restoreAllMocks();
});

test("answers find their requests, in whatever order they come", async () => {
  FakeSocket.last.greet();
  const first = connection.request("file.open", { path: "a" });
  const second = connection.request("file.open", { path: "b" });
  const [one, two] = FakeSocket.last.requests;
  FakeSocket.last.say({ type: "error", id: two?.id, code: "not-found", message: "no b" });
  FakeSocket.last.say({ type: "reply", id: one?.id, text: "A" });
  await expect(first).resolves.toMatchObject({ text: "A" });
  await expect(second).rejects.toMatchObject({ code: "not-found", message: "no b" });
});

test("a request made before hello is sent after it", () => {
  connection.request("run.list", {}).catch(() => undefined);
  expect(FakeSocket.last.sent).toHaveLength(0);
  FakeSocket.last.greet();
  expect(FakeSocket.last.requests).toMatchObject([{ type: "run.list" }]);
});

test("after a break, what only asks is asked again, and what changes is not", async () => {
  FakeSocket.last.greet();
  const listing = connection.request("tree.list", { path: "" });
  const saving = connection.request("file.save", { path: "a", text: "" });
  FakeSocket.last.onclose?.({ code: 1006 });
  await expect(saving).rejects.toMatchObject({ code: "offline" });
  vi.advanceTimersByTime(250);
  expect(FakeSocket.all).toHaveLength(2);
  FakeSocket.last.greet();
  const [again, ...others] = FakeSocket.last.requests;
  expect(again?.type).toBe("tree.list");
  expect(others).toEqual([]);
  FakeSocket.last.say({ type: "reply", id: again?.id, entries: [] });
  await expect(listing).resolves.toMatchObject({ entries: [] });
});

test("a request does not wait for ever", async () => {
  FakeSocket.last.onclose?.({ code: 1006 });
  const request = connection.request("run.list", {});
  const outcome = expect(request).rejects.toMatchObject({ code: "offline" });
  await vi.advanceTimersByTimeAsync(8_000);
  await outcome;
});

test("a silent line is asked after 20 s and given up 10 s later", () => {
  FakeSocket.last.greet();
  vi.advanceTimersByTime(20_000);
  expect(FakeSocket.last.sent).toHaveLength(0);
  vi.advanceTimersByTime(2_000);
  expect(FakeSocket.last.requests).toMatchObject([{ type: "run.list" }]);
  expect(connection.state.value).toBe("open");
  vi.advanceTimersByTime(11_000);
  expect(connection.state.value).not.toBe("open");
  expect(FakeSocket.all.length).toBeGreaterThan(1);
});

test("an answer keeps a quiet line alive", () => {
  FakeSocket.last.greet();
  vi.advanceTimersByTime(22_000);
  FakeSocket.last.say({ type: "reply", id: FakeSocket.last.requests[0]?.id, runs: [] });
  vi.advanceTimersByTime(15_000);
  expect(connection.state.value).toBe("open");
  expect(FakeSocket.all).toHaveLength(1);
});

test("signed out waits for a person", () => {
  FakeSocket.last.greet();
  FakeSocket.last.onclose?.({ code: 4401 });
  expect(connection.state.value).toBe("signed-out");
  vi.advanceTimersByTime(60_000);
  expect(FakeSocket.all).toHaveLength(1);
  connection.retryNow();
  FakeSocket.last.greet();
  expect(connection.state.value).toBe("open");
});

test("a refused handshake is asked about: the session may be over", async () => {
  sessionIsOver = true;
  FakeSocket.last.onclose?.({ code: 1006 });
  await vi.advanceTimersByTimeAsync(0);
  expect(connection.state.value).toBe("signed-out");
});

test("input is refused while the line is down, so that its owner keeps it", () => {
  expect(connection.sendInput(1, Uint8Array.of(3))).toBe(false);
  FakeSocket.last.greet();
  expect(connection.sendInput(1, Uint8Array.of(3))).toBe(true);
});

test("attempts are spread and slow down to five seconds", () => {
  expect([0, 1, 2, 3, 4, 9].map((failures) => reconnectDelay(failures, () => 0.5))).toEqual([
    200, 500, 1000, 2000, 5000, 5000,
  ]);
  expect(reconnectDelay(0, () => 0)).toBe(150);
  expect(reconnectDelay(0, () => 1)).toBe(250);
});

test("binary frames are as the protocol says", () => {
  const input = encodeInput(0x0102030405, Uint8Array.of(9, 8));
  expect([...input]).toEqual([2, 0, 0, 0, 1, 2, 3, 4, 5, 0, 0, 0, 0, 0, 0, 0, 0, 9, 8]);
  input[0] = 1;
  input[16] = 7;
  const output = decodeOutput(input.buffer);
  expect(output).toMatchObject({ run: 0x0102030405, offset: 7 });
  expect([...(output?.bytes ?? [])]).toEqual([9, 8]);
  expect(decodeOutput(new ArrayBuffer(16))).toBeNull();
  expect(decodeOutput(new ArrayBuffer(17))).toBeNull();
});
