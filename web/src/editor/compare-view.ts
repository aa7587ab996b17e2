// Two texts compared: side by side where there is room, else one below the other's changes. A chunk of its own.
import { goToNextChunk, goToPreviousChunk, MergeView, unifiedMergeView } from "@codemirror/merge";
import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { indentUnit } from "@codemirror/language";
import { EditorState, type Extension } from "@codemirror/state";
import { drawSelection, EditorView, highlightSpecialChars, keymap, lineNumbers } from "@codemirror/view";
import { text } from "../text";
import { languageOf } from "./code-editor";
import { highlighting, theme } from "./code-theme";
import { guard } from "./guard";

export interface Side {
  title: string;
  text: string;
}

export interface Comparison {
  rightText(): string;
  destroy(): void;
}

interface Options {
  path: string;
  left: Side;
  right: Side;
  /** The right side can be changed, and single changes taken over from the left. */
  editable: boolean;
}

/** Below this, two texts side by side cannot be read. */
const narrowest = 640;

export function compare(parent: HTMLElement, options: Options): Comparison {
  return parent.clientWidth < narrowest ? unified(parent, options) : sideBySide(parent, options);
}

function sideBySide(parent: HTMLElement, { path, left, right, editable }: Options): Comparison {
  parent.replaceChildren(titlesOf(left, right));
  const view = new MergeView({
    parent,
    a: { doc: left.text, extensions: extensions(path, left.title, false) },
    b: { doc: right.text, extensions: extensions(path, right.title, editable) },
    ...(editable && { revertControls: "a-to-b", renderRevertControl: revertControl }),
    collapseUnchanged: { margin: 4, minSize: 8 },
    diffConfig: { scanLimit: 2_000, timeout: 500 },
  });
  return {
    rightText: () => view.b.state.doc.toString(),
    destroy: () => {
      view.destroy();
      parent.replaceChildren();
    },
  };
}

function unified(parent: HTMLElement, { path, left, right, editable }: Options): Comparison {
  parent.replaceChildren(
    titlesOf({ ...left, title: `− ${left.title}` }, { ...right, title: `+ ${right.title}` }),
  );
  const view = new EditorView({
    parent,
    state: EditorState.create({
      doc: right.text,
      extensions: [
        extensions(path, right.title, editable),
        unifiedMergeView({
          original: left.text,
          mergeControls: editable && mergeControl,
          collapseUnchanged: { margin: 4, minSize: 8 },
          diffConfig: { scanLimit: 2_000, timeout: 500 },
        }),
      ],
    }),
  });
  return {
    rightText: () => view.state.doc.toString(),
    destroy: () => view.destroy(),
  };
}

function titlesOf(...sides: Side[]): HTMLElement {
  const titles = document.createElement("div");
  titles.className = "comparison-titles";
  titles.append(...sides.map(titled));
  return titles;
}

function titled({ title }: Side): HTMLElement {
  const element = document.createElement("span");
  element.textContent = title;
  return element;
}

/** Of one change: mine stays, or the other is taken over. */
function mergeControl(type: "accept" | "reject", action: (event: MouseEvent) => void): HTMLElement {
  const button = document.createElement("button");
  button.className = "take-over";
  button.textContent = type === "accept" ? text.save.keepMine : text.save.takeTheirs;
  button.addEventListener("mousedown", action);
  button.addEventListener("keydown", (event) => {
    if (event.key === "Enter" || event.key === " ") button.dispatchEvent(new MouseEvent("mousedown"));
  });
  return button;
}

function revertControl(): HTMLElement {
  const button = document.createElement("button");
  button.className = "take-over";
  button.textContent = "→";
  button.title = text.save.takeOver;
  button.setAttribute("aria-label", text.save.takeOver);
  return button;
}

/** What a text that is looked at, not worked on, needs. */
export const extensions = (path: string, label: string, editable: boolean): Extension => [
  EditorState.phrases.of(text.editorPhrases),
  guard(),
  EditorState.readOnly.of(!editable),
  editable ? history() : [],
  lineNumbers(),
  highlightSpecialChars(),
  drawSelection(),
  EditorView.lineWrapping,
  indentUnit.of("    "),
  languageOf(path),
  EditorView.contentAttributes.of({ "aria-label": label, tabindex: "0" }),
  keymap.of([
    { key: "F7", run: goToNextChunk, shift: goToPreviousChunk },
    ...defaultKeymap,
    ...historyKeymap,
  ]),
  theme,
  highlighting,
];
