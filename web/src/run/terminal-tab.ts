// One terminal: a run's output on a screen and what is typed back. It outlives its run: the next run of the same file
// takes its place. Owns the screen (loaded when first needed), the offsets and the queue of typed bytes.
import { signal } from "@preact/signals";
import { RequestError, type Connection } from "../connection/connection";
import { warn } from "../parts/notices";
import type { RunInfo } from "../protocol";
import { settings } from "../settings/settings";
import { text } from "../text";
import { Output } from "./output";
import type { Screen } from "./screen";
import { Typed } from "./typed";

/** The element carries its text as a function, for tests: what a person sees, no more. */
export type TerminalElement = HTMLDivElement & { carrelText?: () => string };

const resizeDelay = 120;

export class TerminalTab {
  readonly info;
  readonly note = signal<string | null>(null);
  /** Holds the screen, and moves with it in and out of the page. */
  readonly element: TerminalElement = document.createElement("div");
  onLink: (address: string) => void = () => undefined;
  private screen: Screen | null = null;
  private opened = false;
  private output: Output;
  private readonly typed: Typed;
  private early: Uint8Array[] = [];
  /** Output before this was there before this page looked: its questions were answered long ago. */
  private oldUntil = 0;
  private rendered = 0;
  private size = { columns: 80, rows: 24 };
  private resizeTimer: ReturnType<typeof setTimeout> | undefined;
  private wantsFocus = false;

  constructor(
    readonly id: number,
    info: RunInfo,
    private readonly connection: Connection,
    /** Watched only: the size is its owner's. */
    readonly watching: boolean,
  ) {
    this.info = signal(info);
    this.output = this.newOutput(info.run);
    this.typed = new Typed((bytes) => connection.sendInput(this.info.peek().run, bytes));
    this.element.className = "screen";
    this.element.carrelText = () => this.screen?.text() ?? "";
    void this.loadScreen();
  }

  get run(): number {
    return this.info.peek().run;
  }

  get isLive(): boolean {
    return this.info.peek().state !== "ended";
  }

  /** The size that a next run should begin with. */
  get cells(): { columns: number; rows: number } {
    return this.size;
  }

  /** Another run takes this terminal. */
  replace(info: RunInfo): void {
    this.output.dispose();
    this.output = this.newOutput(info.run);
    this.oldUntil = 0;
    this.rendered = 0;
    this.early = [];
    this.typed.clear();
    this.screen?.reset();
    this.note.value = null;
    this.info.value = info;
    this.tellSize();
  }

  update(info: RunInfo): void {
    if (info.run !== this.run) return;
    this.info.value = info;
    if (this.watching) this.shown();
  }

  /** Asks for all that was not seen yet: at first, and after each reconnection. */
  async attach(): Promise<void> {
    const { run, first } = this.info.peek();
    const from = Math.max(this.output.next, first);
    try {
      const reply = await this.connection.request("run.attach", { run, from });
      if (run !== this.run) return;
      this.info.value = reply.run;
      this.oldUntil = Math.max(this.oldUntil, reply.run.next);
      const missed = reply.from - this.output.next;
      if (missed > 0) {
        this.skipped(missed);
        this.output.begin(reply.from);
        this.rendered = Math.max(this.rendered, reply.from);
      }
      this.typed.flush();
      this.tellSize();
    } catch (error) {
      const lost = error instanceof RequestError && error.code === "not-found";
      if (lost && run === this.run) this.gone();
    }
  }

  receive(offset: number, bytes: Uint8Array): void {
    const fresh = this.output.accept(offset, bytes);
    if (!fresh) return;
    if (this.screen) this.write(this.screen, fresh);
    else this.early.push(fresh);
  }

  skipped(bytes: number): void {
    this.note.value = text.run.skipped(bytes);
  }

  /** The server keeps it no longer: what is on the screen stays. */
  gone(): void {
    const info = this.info.peek();
    if (info.state !== "ended") this.info.value = { ...info, state: "ended", explanation: text.run.gone };
  }

  /** Called when the element is in the page and has a size. */
  shown(): void {
    if (!this.screen || this.element.offsetWidth === 0) return;
    if (!this.opened) {
      this.opened = true;
      this.screen.open(this.element);
    }
    if (this.watching) this.screen.resize(this.info.peek().columns, this.info.peek().rows);
    else this.screen.fit();
    if (this.wantsFocus) this.focus();
  }

  focus(): void {
    this.wantsFocus = !this.opened;
    if (this.opened) this.screen?.focus();
  }

  clear(): void {
    this.screen?.clear();
  }

  changeLooks(): void {
    const { fontSize, screenReader } = settings.peek();
    this.screen?.change({ fontSize, screenReader });
    this.shown();
  }

  dispose(): void {
    clearTimeout(this.resizeTimer);
    this.output.dispose();
    this.screen?.dispose();
    this.element.remove();
  }

  private async loadScreen(): Promise<void> {
    const { createScreen } = await import("./screen");
    const { fontSize, screenReader } = settings.peek();
    const screen = createScreen({
      fontSize,
      screenReader,
      onInput: (bytes) => this.input(bytes),
      onResize: (columns, rows) => this.resized(columns, rows),
      mayAnswer: () => this.rendered >= this.oldUntil,
      onLink: (address) => this.onLink(address),
    });
    this.screen = screen;
    for (const bytes of this.early) this.write(screen, bytes);
    this.early = [];
    this.shown();
  }

  private write(screen: Screen, bytes: Uint8Array): void {
    const { output } = this;
    screen.write(bytes, () => {
      output.rendered(bytes.length);
      if (output === this.output) this.rendered += bytes.length;
    });
  }

  private input(bytes: Uint8Array): void {
    if (this.isLive && !this.typed.put(bytes)) warn(text.run.inputFull);
  }

  private resized(columns: number, rows: number): void {
    this.size = { columns, rows };
    clearTimeout(this.resizeTimer);
    this.resizeTimer = setTimeout(() => this.tellSize(), resizeDelay);
  }

  private tellSize(): void {
    const { run, columns, rows } = this.info.peek();
    if (
      !this.isLive ||
      !this.opened ||
      this.watching ||
      (columns === this.size.columns && rows === this.size.rows)
    )
      return;
    this.connection.request("run.resize", { run, ...this.size }).catch(() => undefined);
  }

  private newOutput(run: number): Output {
    return new Output((offset) => this.connection.tell("run.acknowledge", { run, offset }));
  }
}
