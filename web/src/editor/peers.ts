// Where others are in the text: a caret with their name, and what they have selected. Each has a colour, and a letter beside
// it, since colours alone say nothing to many people. The bar above the text names them for screen readers.
import { StateEffect, StateField, type Extension, type Range } from "@codemirror/state";
import { Decoration, EditorView, WidgetType, type DecorationSet } from "@codemirror/view";
import type { Peer } from "../document/document";
import { peerColor, peerInitial } from "../parts/peer-face";

export const setPeers = StateEffect.define<readonly Peer[]>();

class Caret extends WidgetType {
  constructor(private readonly peer: Peer) {
    super();
  }

  override eq(other: Caret): boolean {
    return other.peer.session === this.peer.session && other.peer.head === this.peer.head;
  }

  override toDOM(): HTMLElement {
    const caret = document.createElement("span");
    caret.className = "peer-caret";
    caret.setAttribute("aria-hidden", "true");
    caret.dataset.testid = "peer-caret";
    caret.dataset.name = this.peer.name;
    caret.style.setProperty("--peer", peerColor(this.peer.session));
    const flag = document.createElement("span");
    flag.className = "peer-flag";
    flag.dataset.initial = peerInitial(this.peer.name);
    flag.dataset.name = this.peer.name;
    caret.append(flag);
    return caret;
  }

  override ignoreEvent(): boolean {
    return true;
  }
}

const field = StateField.define<DecorationSet>({
  create: () => Decoration.none,
  update(decorations, transaction) {
    let now = decorations.map(transaction.changes);
    for (const effect of transaction.effects) {
      if (effect.is(setPeers)) now = draw(effect.value, transaction.newDoc.length);
    }
    return now;
  },
  provide: (self) => EditorView.decorations.from(self),
});

function draw(peers: readonly Peer[], length: number): DecorationSet {
  const ranges: Range<Decoration>[] = [];
  for (const peer of peers) {
    const [head, anchor] = [Math.min(peer.head, length), Math.min(peer.anchor, length)];
    if (head !== anchor) {
      const attributes = { style: `--peer: ${peerColor(peer.session)}` };
      ranges.push(
        Decoration.mark({ class: "peer-selection", attributes }).range(
          Math.min(head, anchor),
          Math.max(head, anchor),
        ),
      );
    }
    ranges.push(Decoration.widget({ widget: new Caret(peer), side: 1 }).range(head));
  }
  return Decoration.set(ranges, true);
}

export const peers: Extension = [
  field,
  EditorView.baseTheme({
    ".peer-selection": {
      backgroundColor: "color-mix(in srgb, var(--peer) 22%, transparent)",
      borderBlockEnd: "1px dotted var(--peer)",
    },
    ".peer-caret": {
      position: "relative",
      marginInline: "-1px",
      borderInlineStart: "2px solid var(--peer)",
      pointerEvents: "none",
    },
    ".peer-flag": {
      position: "absolute",
      insetBlockEnd: "100%",
      insetInlineStart: "-2px",
      zIndex: "2",
      padding: "0 3px",
      borderRadius: "4px 4px 4px 0",
      backgroundColor: "var(--peer)",
      color: "var(--surface)",
      font: "650 10px/13px var(--font)",
      whiteSpace: "nowrap",
      pointerEvents: "auto",
    },
    ".peer-flag::before": { content: "attr(data-initial)" },
    // The whole name while they move, and under the pointer.
    ".peer-flag::after": { content: "attr(data-name)", display: "none" },
    ".peer-flag:hover::before": { display: "none" },
    ".peer-flag:hover::after": { display: "inline" },
    // Above the first line there is no room.
    ".cm-line:first-child .peer-flag": {
      insetBlockEnd: "auto",
      insetBlockStart: "100%",
      borderRadius: "0 4px 4px 4px",
    },
  }),
];
