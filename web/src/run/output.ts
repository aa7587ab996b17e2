// The arithmetic of one run's output: which bytes are new, how far they are shown, when to say so.
// Owns two offsets: `next` (received) and `shown` (rendered). It promises that no byte is written twice, and that
// what was shown is acknowledged within 50 ms or 32 KB, so that the server's window never closes on a visible terminal.
const acknowledgeBytes = 32 * 1024;
const acknowledgeDelay = 50;

export class Output {
  private received = 0;
  private shown = 0;
  private acknowledged = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly acknowledge: (offset: number) => void) {}

  get next(): number {
    return this.received;
  }

  /** The server begins here: at the start, or after a gap that left its scrollback. */
  begin(offset: number): void {
    if (offset > this.received) this.jump(offset);
  }

  /** The part of a frame that was not seen before, or nothing. */
  accept(offset: number, bytes: Uint8Array): Uint8Array | null {
    const end = offset + bytes.length;
    if (end <= this.received) return null;
    if (offset > this.received) this.jump(offset);
    const fresh = bytes.subarray(this.received - offset);
    this.received = end;
    return fresh;
  }

  /** A terminal has drawn so many more bytes. */
  rendered(length: number): void {
    this.shown += length;
    if (this.shown - this.acknowledged >= acknowledgeBytes) this.flush();
    else this.timer ??= setTimeout(() => this.flush(), acknowledgeDelay);
  }

  dispose(): void {
    clearTimeout(this.timer);
  }

  private jump(offset: number): void {
    // Bytes received but not yet drawn keep their distance to the end, so `shown` moves as far as `received`.
    this.shown += offset - this.received;
    this.received = offset;
  }

  private flush(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.acknowledged = this.shown;
    this.acknowledge(this.shown);
  }
}
