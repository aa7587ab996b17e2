// The text of a moment, to be looked at; what has just been typed stands out. Compared with now where that is wished.
import { StateEffect, StateField } from "@codemirror/state";
import { Decoration, EditorView, type DecorationSet } from "@codemirror/view";
import type { ChangeSet } from "@codemirror/state";
import { difference } from "../document/lines";
import { compare, extensions, type Comparison } from "../editor/compare-view";
import { text as words } from "../text";

const mark = StateEffect.define<ChangeSet | null>();
const fresh = Decoration.mark({ class: "past-fresh" });

/** What the last change put in. */
const marks = StateField.define<DecorationSet>({
  create: () => Decoration.none,
  update(decorations, transaction) {
    const effect = transaction.effects.find((one) => one.is(mark));
    if (!effect) return decorations.map(transaction.changes);
    if (effect.value === null) return Decoration.none;
    const ranges: { from: number; to: number }[] = [];
    effect.value.iterChangedRanges((_from, _to, from, to) => from < to && ranges.push({ from, to }));
    return Decoration.set(ranges.map(({ from, to }) => fresh.range(from, to)));
  },
  provide: (field) => EditorView.decorations.from(field),
});

export class PastView {
  private view: EditorView | null = null;
  private comparison: Comparison | null = null;
  private shown = "";

  constructor(
    private readonly parent: HTMLElement,
    private readonly path: string,
  ) {}

  get text(): string {
    return this.view ? this.view.state.doc.toString() : this.shown;
  }

  showText(text: string): void {
    const view = this.plain();
    const changes = view.state.changes(difference(view.state.doc.toString(), text));
    const at = firstOf(changes);
    view.dispatch({
      changes,
      effects: [mark.of(null), ...(at === null ? [] : [EditorView.scrollIntoView(at, { y: "center" })])],
      filter: false,
    });
  }

  play(changes: ChangeSet): void {
    const view = this.plain();
    const at = firstOf(changes);
    const scroll = at === null ? [] : [EditorView.scrollIntoView(at, { y: "nearest", yMargin: 60 })];
    view.dispatch({ changes, effects: [mark.of(changes), ...scroll], filter: false });
  }

  showComparison(then: { title: string; text: string }, now: { title: string; text: string }): void {
    this.clear();
    this.shown = then.text;
    this.comparison = compare(this.parent, { path: this.path, left: then, right: now, editable: false });
  }

  destroy(): void {
    this.clear();
  }

  private plain(): EditorView {
    if (this.view) return this.view;
    this.clear();
    this.view = new EditorView({
      parent: this.parent,
      doc: this.shown,
      extensions: [extensions(this.path, words.history.label, false), marks],
    });
    return this.view;
  }

  private clear(): void {
    this.shown = this.text;
    this.view?.destroy();
    this.view = null;
    this.comparison?.destroy();
    this.comparison = null;
    this.parent.replaceChildren();
  }
}

/** Where the text changed first, in the new one. */
function firstOf(changes: ChangeSet): number | null {
  let first: number | null = null;
  changes.iterChangedRanges((_from, _to, from) => (first ??= from));
  return first;
}
