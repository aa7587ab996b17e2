// The keys of the whole page. Heard before the editor and the terminal hear them, so that F5 runs wherever the focus is.
import type { Desk } from "./desk";

const isMac = /Mac|iPhone|iPad/.test(navigator.platform);

/** Gives back how to stop listening. */
export function listenForShortcuts(desk: Desk): () => void {
  const onKeyDown = (event: KeyboardEvent) => {
    const action = actionOf(event, desk);
    if (!action) return;
    event.preventDefault();
    event.stopPropagation();
    // In a dialog the page behind it must not move; its keys are still kept from the browser.
    if (!document.querySelector("dialog[open]")) action();
  };
  addEventListener("keydown", onKeyDown, true);
  return () => removeEventListener("keydown", onKeyDown, true);
}

function actionOf(event: KeyboardEvent, desk: Desk): (() => void) | null {
  if (event.key.startsWith("F")) return functionKey(event, desk);
  const control = (event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey;
  if (control) return controlKey(event, desk);
  return altKey(event, desk);
}

function functionKey(event: KeyboardEvent, desk: Desk): (() => void) | null {
  if (event.altKey || event.metaKey) return null;
  const stop = () => desk.terminals.stop();
  if (event.key === "F5" && event.shiftKey) return stop;
  if (event.key === "F5") return () => desk.run();
  if (event.key === "F2" && event.ctrlKey) return stop;
  return event.key === "F1" ? () => (desk.panel.value = "shortcuts") : null;
}

function controlKey(event: KeyboardEvent, desk: Desk): (() => void) | null {
  switch (event.key) {
    case "Enter":
      return () => desk.run();
    case "s":
      return () => void desk.files.activeDocument.peek()?.save();
    case ",":
      return () => (desk.panel.value = "settings");
    case "`":
    case "ö": // the same key on a German keyboard
      return () => desk.toggleTerminalFocus();
    case "b":
      // To a program in a terminal it is a key like others.
      return isIn(".terminal", event) ? null : () => desk.toggleSidebar();
    default:
      return null;
  }
}

function altKey(event: KeyboardEvent, desk: Desk): (() => void) | null {
  if (!event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return null;
  const digit = /^Digit([1-9])$/.exec(event.code)?.[1];
  if (digit) return () => desk.files.activate(Number(digit) - 1);
  // On a Mac these move by a word, and so they do in a shell.
  if (isMac || isIn(".terminal", event)) return null;
  if (event.key === "ArrowLeft") return () => desk.files.step(-1);
  return event.key === "ArrowRight" ? () => desk.files.step(1) : null;
}

const isIn = (selector: string, event: Event): boolean =>
  event.target instanceof Element && event.target.closest(selector) !== null;
