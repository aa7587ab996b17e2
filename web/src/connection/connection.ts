// The page's one WebSocket. Owns connecting, reconnecting, matching replies to requests, and noticing a dead line.
// It promises: every request ends, as a reply or as a RequestError; requests made while the line is down wait a
// short while for it; "hello" comes first after each connect. It knows nothing of files, runs or the screen.
import { signal, type ReadonlySignal } from "@preact/signals";
import { protocolName, type Code, type Events, type Requests } from "../protocol";
import { reconnectDelay } from "./backoff";
import { decodeOutput, encodeInput, type OutputFrame } from "./frames";

export type RequestName = keyof Requests;
export type Fields<Name extends RequestName> = Requests[Name]["fields"];
export type Reply<Name extends RequestName> = Requests[Name]["reply"];
type EventName = Exclude<keyof Events, "reply" | "error">;

/** `lost`: trying to connect again. `signed-out` and `removed` wait for a person. */
export type ConnectionState = "connecting" | "open" | "lost" | "signed-out" | "removed";

/** `offline` is the page's own: the line was down, so it is unknown whether the server did it. */
export class RequestError extends Error {
  constructor(
    readonly code: Code | "offline",
    message: string,
    readonly field?: string,
  ) {
    super(message);
  }
}

export interface ConnectionOptions {
  url: string;
  open?: (url: string, protocol: string) => WebSocket;
  /** Asked after a refused handshake, whose status a page cannot see: is the session over? */
  sessionIsOver?: () => Promise<boolean>;
  offlineMessage: string;
}

interface Waiting {
  message: string;
  /** Only asks, changes nothing: may be sent again after the line broke. */
  repeatable: boolean;
  sent: boolean;
  resolve: (reply: never) => void;
  reject: (error: RequestError) => void;
  timer: ReturnType<typeof setTimeout> | undefined;
}

const patience = 8_000;
const quietLimit = 20_000;
const probeLimit = 10_000;
const pulse = 1_000;
const onlyAsk: ReadonlySet<RequestName> = new Set([
  "tree.list",
  "file.open",
  "document.open",
  "document.disk",
  "history.list",
  "history.text",
  "history.updates",
  "run.list",
  "run.stop",
  "run.resize",
]);

export class Connection {
  private readonly stateSignal = signal<ConnectionState>("connecting");
  private readonly handlers = new Map<EventName, Set<(event: never) => void>>();
  private readonly outputHandlers = new Set<(frame: OutputFrame) => void>();
  private readonly waiting = new Map<number, Waiting>();
  private socket: WebSocket | null = null;
  private nextId = 1;
  private failures = 0;
  private lastHeard = 0;
  private probedAt = 0;
  private retryTimer: ReturnType<typeof setTimeout> | undefined;
  private pulseTimer: ReturnType<typeof setInterval> | undefined;

  constructor(private readonly options: ConnectionOptions) {}

  get state(): ReadonlySignal<ConnectionState> {
    return this.stateSignal;
  }

  start(): void {
    this.pulseTimer = setInterval(() => this.checkPulse(), pulse);
    this.connect();
  }

  stop(): void {
    clearInterval(this.pulseTimer);
    clearTimeout(this.retryTimer);
    this.dropSocket();
    this.failRequests(() => true);
  }

  /** Try at once: the network came back, or the person signed in again. */
  retryNow(): void {
    if (this.socket) return;
    clearTimeout(this.retryTimer);
    this.connect();
  }

  request<Name extends RequestName>(type: Name, fields: Fields<Name>): Promise<Reply<Name>> {
    const id = this.nextId++;
    return new Promise((resolve, reject) => {
      const waiting: Waiting = {
        message: JSON.stringify({ type, id, ...fields }),
        repeatable: onlyAsk.has(type),
        sent: false,
        resolve,
        reject,
        timer: undefined,
      };
      this.waiting.set(id, waiting);
      if (this.stateSignal.peek() === "open") this.send(waiting);
      else this.expire(id, waiting);
    });
  }

  /** For messages that are never answered; dropped while the line is down. */
  tell<Name extends RequestName>(type: Name, fields: Fields<Name>): void {
    if (this.stateSignal.peek() !== "open") return;
    this.socket?.send(JSON.stringify({ type, id: this.nextId++, ...fields }));
  }

  /** False where the line is down: the caller keeps the bytes. */
  sendInput(run: number, bytes: Uint8Array): boolean {
    if (this.stateSignal.peek() !== "open" || this.socket?.readyState !== WebSocket.OPEN) return false;
    this.socket.send(encodeInput(run, bytes));
    return true;
  }

  on<Name extends EventName>(name: Name, handler: (event: Events[Name]) => void): () => void {
    const handlers = this.handlers.get(name) ?? new Set();
    this.handlers.set(name, handlers);
    handlers.add(handler);
    return () => handlers.delete(handler);
  }

  onOutput(handler: (frame: OutputFrame) => void): () => void {
    this.outputHandlers.add(handler);
    return () => this.outputHandlers.delete(handler);
  }

  private connect(): void {
    const open = this.options.open ?? ((url, protocol) => new WebSocket(url, protocol));
    const socket = open(this.options.url, protocolName);
    this.socket = socket;
    socket.binaryType = "arraybuffer";
    this.lastHeard = Date.now();
    this.probedAt = 0;
    socket.onmessage = (event: MessageEvent<string | ArrayBuffer>) => this.receive(event.data);
    socket.onclose = (event) => this.lost(event.code);
  }

  private receive(data: string | ArrayBuffer): void {
    this.lastHeard = Date.now();
    this.probedAt = 0;
    if (typeof data !== "string") {
      const frame = decodeOutput(data);
      if (frame) for (const handler of this.outputHandlers) handler(frame);
      return;
    }
    const message = JSON.parse(data) as { type: keyof Events } & Partial<Events["error"]>;
    if (message.type === "reply" || message.type === "error") this.settle(message);
    else this.dispatch(message.type, message);
  }

  private dispatch(name: EventName, event: object): void {
    if (name === "hello") {
      this.failures = 0;
      this.stateSignal.value = "open";
    }
    for (const handler of this.handlers.get(name) ?? []) handler(event as never);
    if (name === "hello") for (const waiting of this.waiting.values()) if (!waiting.sent) this.send(waiting);
  }

  private settle(message: Partial<Events["error"]>): void {
    const waiting = message.id === undefined ? undefined : this.waiting.get(message.id);
    if (!waiting || message.id === undefined) return;
    this.waiting.delete(message.id);
    clearTimeout(waiting.timer);
    if (message.code) waiting.reject(new RequestError(message.code, message.message ?? "", message.field));
    else waiting.resolve(message as never);
  }

  private send(waiting: Waiting): void {
    clearTimeout(waiting.timer);
    waiting.sent = true;
    this.socket?.send(waiting.message);
  }

  private expire(id: number, waiting: Waiting): void {
    waiting.timer = setTimeout(() => {
      this.waiting.delete(id);
      waiting.reject(new RequestError("offline", this.options.offlineMessage));
    }, patience);
  }

  private failRequests(which: (waiting: Waiting) => boolean): void {
    for (const [id, waiting] of this.waiting) {
      if (!which(waiting)) continue;
      this.waiting.delete(id);
      clearTimeout(waiting.timer);
      waiting.reject(new RequestError("offline", this.options.offlineMessage));
    }
  }

  private lost(code: number): void {
    const wasOpen = this.stateSignal.peek() === "open";
    this.dropSocket();
    // What was sent and may have been done cannot be sent twice; what only asks waits for the next connection.
    this.failRequests((waiting) => waiting.sent && !waiting.repeatable);
    for (const [id, waiting] of this.waiting) {
      if (!waiting.sent) continue;
      waiting.sent = false;
      this.expire(id, waiting);
    }
    if (code === 4401 || code === 4403) {
      this.stateSignal.value = code === 4401 ? "signed-out" : "removed";
      return;
    }
    this.stateSignal.value = "lost";
    this.retryTimer = setTimeout(() => this.connect(), reconnectDelay(this.failures++));
    if (!wasOpen) void this.checkSession();
  }

  private async checkSession(): Promise<void> {
    if (!(await this.options.sessionIsOver?.())) return;
    if (this.stateSignal.peek() === "open") return;
    clearTimeout(this.retryTimer);
    this.dropSocket();
    this.stateSignal.value = "signed-out";
  }

  private dropSocket(): void {
    const socket = this.socket;
    this.socket = null;
    if (!socket) return;
    // A dead line reports its end only minutes later, so nobody waits for it.
    socket.onclose = socket.onmessage = null;
    socket.close();
  }

  private checkPulse(): void {
    if (this.stateSignal.peek() !== "open") {
      if (this.socket && Date.now() - this.lastHeard > probeLimit) this.lost(1006);
      return;
    }
    const now = Date.now();
    if (this.probedAt > 0 && now - this.probedAt > probeLimit) {
      this.lost(1006);
    } else if (this.probedAt === 0 && now - this.lastHeard > quietLimit) {
      this.probedAt = now;
      this.request("run.list", {}).catch(() => undefined);
    }
  }
}
