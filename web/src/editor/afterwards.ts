// Finding, replacing, and suggesting names. A chunk that comes right after the editor: one types before one searches.
import { autocompletion, completionKeymap } from "@codemirror/autocomplete";
import {
  gotoLine,
  highlightSelectionMatches,
  openSearchPanel,
  search,
  searchKeymap,
} from "@codemirror/search";
import { Prec, type Extension } from "@codemirror/state";
import { keymap, type Command } from "@codemirror/view";

const openReplace: Command = (view) => {
  openSearchPanel(view);
  view.dom.querySelector<HTMLInputElement>(".cm-search [name=replace]")?.select();
  return true;
};

export const afterwards: Extension = [
  // Names are suggested when asked for: a beginner learns by typing.
  autocompletion({ activateOnTyping: false }),
  highlightSelectionMatches(),
  search({ top: true }),
  Prec.high(
    keymap.of([
      { key: "Mod-h", run: openReplace, preventDefault: true },
      { key: "Ctrl-g", run: gotoLine, preventDefault: true },
    ]),
  ),
  Prec.high(keymap.of([...searchKeymap, ...completionKeymap])),
];
