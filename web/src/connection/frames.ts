// Terminal bytes on the socket: kind (1 byte), run (8 bytes), offset (8 bytes), then the bytes. See protocol/carrel.1.json.
import { binaryKinds } from "../protocol";

const headerLength = 17;

export interface OutputFrame {
  run: number;
  offset: number;
  bytes: Uint8Array;
}

/** Nothing where the frame is of a kind that this page does not know. */
export function decodeOutput(frame: ArrayBuffer): OutputFrame | null {
  if (frame.byteLength < headerLength) return null;
  const view = new DataView(frame);
  if (view.getUint8(0) !== binaryKinds.output) return null;
  return {
    run: Number(view.getBigUint64(1)),
    offset: Number(view.getBigUint64(9)),
    bytes: new Uint8Array(frame, headerLength),
  };
}

export function encodeInput(run: number, bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const frame = new Uint8Array(headerLength + bytes.length);
  const view = new DataView(frame.buffer);
  view.setUint8(0, binaryKinds.input);
  view.setBigUint64(1, BigInt(run));
  frame.set(bytes, headerLength);
  return frame;
}
