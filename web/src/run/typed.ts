// What was typed into a terminal on its way to the program: cut to frames, kept while the line is down.
const pieceLength = 32 * 1024;
const capacity = 64 * 1024;

export class Typed {
  private queue: Uint8Array[] = [];
  private queued = 0;

  /** `send` says false where the line is down. */
  constructor(private readonly send: (bytes: Uint8Array) => boolean) {}

  /** False where it could neither be sent nor kept. */
  put(bytes: Uint8Array): boolean {
    if (this.queued === 0 && this.sendAll(bytes)) return true;
    if (this.queued + bytes.length > capacity) return false;
    this.queue.push(bytes);
    this.queued += bytes.length;
    return true;
  }

  /** The line is back. */
  flush(): void {
    const queue = this.queue;
    this.clear();
    for (const bytes of queue) this.put(bytes);
  }

  clear(): void {
    this.queue = [];
    this.queued = 0;
  }

  private sendAll(bytes: Uint8Array): boolean {
    for (let start = 0; start < bytes.length; start += pieceLength) {
      if (!this.send(bytes.subarray(start, start + pieceLength))) return false;
    }
    return true;
  }
}
