// One terminal's screen: xterm.js, a chunk of its own. The only module that knows it. It draws bytes, gives back what
// is typed, and keeps programs' escape sequences from doing more than drawing: no answers typed unasked, no
// clipboard, no titles, no links without a question.
import { FitAddon } from "@xterm/addon-fit";
import { Terminal, type ITheme } from "@xterm/xterm";
import "@xterm/xterm/css/xterm.css";

export interface ScreenOptions {
  fontSize: number;
  screenReader: boolean;
  /** What was typed or pasted, as the bytes that the program gets. */
  onInput: (bytes: Uint8Array) => void;
  onResize: (columns: number, rows: number) => void;
  /** May the terminal answer a program's question now? Not while old output is shown again. */
  mayAnswer: () => boolean;
  onLink: (address: string) => void;
}

export interface Screen {
  /** Puts it into the page; until then it draws into memory. */
  open(parent: HTMLElement): void;
  write(bytes: Uint8Array, rendered: () => void): void;
  /** As many cells as the place has room for. */
  fit(): void;
  /** Somebody else's terminal is shown as wide as it is there. */
  resize(columns: number, rows: number): void;
  focus(): void;
  clear(): void;
  /** Empty, as new: another program begins. */
  reset(): void;
  change(options: { fontSize: number; screenReader: boolean }): void;
  text(): string;
  dispose(): void;
}

const scrollback = 10_000;

export function createScreen(options: ScreenOptions): Screen {
  const terminal = new Terminal({
    scrollback,
    fontSize: options.fontSize,
    fontFamily: variable("--code-font"),
    lineHeight: 1.2,
    cursorBlink: !matchMedia("(prefers-reduced-motion: reduce)").matches,
    theme: themeOfPage(),
    minimumContrastRatio: 4.5,
    screenReaderMode: options.screenReader,
    linkHandler: {
      activate: (_event, address) => /^https?:\/\//i.test(address) && options.onLink(address),
    },
  });
  const fitting = new FitAddon();
  terminal.loadAddon(fitting);
  restrain(terminal, options.mayAnswer);
  terminal.attachCustomKeyEventHandler((event) => keyReachesProgram(event, terminal));
  const encoder = new TextEncoder();
  terminal.onData((text) => options.onInput(encoder.encode(text)));
  terminal.onBinary((text) => options.onInput(Uint8Array.from(text, (letter) => letter.charCodeAt(0))));
  terminal.onResize(({ cols, rows }) => options.onResize(cols, rows));
  const themeWatch = new MutationObserver(() => (terminal.options.theme = themeOfPage()));
  themeWatch.observe(document.documentElement, { attributeFilter: ["data-theme"] });

  return {
    open: (parent) => terminal.open(parent),
    write: (bytes, rendered) => terminal.write(bytes, rendered),
    fit: () => fitting.fit(),
    resize: (columns, rows) => terminal.resize(columns, rows),
    focus: () => terminal.focus(),
    clear: () => terminal.clear(),
    reset: () => terminal.reset(),
    change: ({ fontSize, screenReader }) => {
      terminal.options.fontSize = fontSize;
      terminal.options.screenReaderMode = screenReader;
    },
    text: () => textOf(terminal),
    dispose: () => {
      themeWatch.disconnect();
      terminal.dispose();
    },
  };
}

/** A program's output is not trusted: what would answer, reach the clipboard or the page is swallowed here. */
function restrain(terminal: Terminal, mayAnswer: () => boolean): void {
  const swallow = () => true;
  const { parser } = terminal;
  for (const prefix of ["", ">", "="]) parser.registerCsiHandler({ prefix, final: "c" }, swallow);
  // Programs ask for the cursor's place (6n) to lay out lines; nothing else is told.
  parser.registerCsiHandler({ final: "n" }, ([kind]) => kind !== 6 || !mayAnswer());
  parser.registerCsiHandler({ prefix: "?", final: "n" }, swallow);
  parser.registerCsiHandler({ prefix: ">", final: "q" }, swallow);
  parser.registerCsiHandler({ intermediates: "$", final: "p" }, swallow);
  parser.registerCsiHandler({ prefix: "?", intermediates: "$", final: "p" }, swallow);
  parser.registerCsiHandler({ final: "t" }, swallow);
  parser.registerDcsHandler({ intermediates: "$", final: "q" }, swallow);
  // Titles, colours of the page's theme, the clipboard.
  for (const command of [0, 1, 2, 4, 10, 11, 12, 52]) parser.registerOscHandler(command, swallow);
}

/** False leaves a key to the browser and the page. */
function keyReachesProgram(event: KeyboardEvent, terminal: Terminal): boolean {
  if (event.type !== "keydown" || !event.ctrlKey || event.altKey || event.metaKey) return true;
  const key = event.key.toLowerCase();
  if (key === "v") return false;
  if (key !== "c") return true;
  if (event.shiftKey) {
    event.preventDefault();
    document.execCommand("copy");
    return false;
  }
  if (!terminal.hasSelection()) return true;
  event.preventDefault();
  document.execCommand("copy");
  // So that the next Ctrl+C interrupts.
  terminal.clearSelection();
  return false;
}

function textOf(terminal: Terminal): string {
  const { active } = terminal.buffer;
  let text = "";
  for (let index = 0; index < active.length; index++) {
    const line = active.getLine(index);
    if (!line) continue;
    if (index > 0 && !line.isWrapped) text += "\n";
    text += line.translateToString(true);
  }
  return text.trimEnd();
}

const variable = (name: string): string =>
  getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function themeOfPage(): ITheme {
  return {
    background: variable("--terminal"),
    foreground: variable("--terminal-text"),
    cursor: variable("--caret"),
    cursorAccent: variable("--terminal"),
    selectionBackground: variable("--terminal-selection"),
    black: variable("--ansi-black"),
    red: variable("--ansi-red"),
    green: variable("--ansi-green"),
    yellow: variable("--ansi-yellow"),
    blue: variable("--ansi-blue"),
    magenta: variable("--ansi-magenta"),
    cyan: variable("--ansi-cyan"),
    white: variable("--ansi-white"),
    brightBlack: variable("--ansi-bright-black"),
    brightRed: variable("--ansi-red"),
    brightGreen: variable("--ansi-green"),
    brightYellow: variable("--ansi-yellow"),
    brightBlue: variable("--ansi-blue"),
    brightMagenta: variable("--ansi-magenta"),
    brightCyan: variable("--ansi-cyan"),
    brightWhite: variable("--terminal-text"),
  };
}
