// A line to the server that can be cut: all of it, or only its WebSockets, so that the page itself can still be loaded.
import { connect, createServer } from "node:net";

export class Wire {
  static async to(address) {
    const wire = new Wire();
    const { port } = new URL(address);
    wire.live = new Set();
    wire.isCut = false;
    wire.server = createServer((near) => wire.join(near, Number(port)));
    await new Promise((resolve) => wire.server.listen(0, "127.0.0.1", resolve));
    wire.address = `http://127.0.0.1:${wire.server.address().port}`;
    return wire;
  }

  join(near, port) {
    near.on("error", () => near.destroy());
    near.once("data", (first) => {
      const isSocket = first.includes("/socket HTTP");
      if (isSocket && this.isCut) {
        near.destroy();
        return;
      }
      const far = connect(port, "127.0.0.1");
      far.on("error", () => near.destroy());
      near.on("close", () => far.destroy());
      far.on("close", () => near.destroy());
      far.write(first);
      near.pipe(far).pipe(near);
      if (!isSocket) return;
      this.live.add(near);
      near.on("close", () => this.live.delete(near));
    });
  }

  /** No WebSocket lives, or can be opened. */
  cut() {
    this.isCut = true;
    for (const near of this.live) near.destroy();
  }

  mend() {
    this.isCut = false;
  }

  close() {
    this.cut();
    this.server.close();
    this.server.closeAllConnections?.();
  }
}
