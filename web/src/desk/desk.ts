// The desk: everything of one class for one person, put together. Owns the connection, the tree, the open files and
// the terminals, and what binds them: what Run runs, where the focus goes, what is shown on a narrow screen.
import { signal } from "@preact/signals";
import { currentSession, type Session } from "../account/session";
import { Connection } from "../connection/connection";
import type { OpenDocument } from "../document/document";
import { OpenFiles } from "../editor/open-files";
import { isPython } from "../parts/paths";
import { isRecord, recall, remember } from "../parts/storage";
import type { Events } from "../protocol";
import { Terminals } from "../run/terminals";
import { text } from "../text";
import { Operations } from "../tree/operations";
import { Tree } from "../tree/tree";
import { UsageWatch } from "../tree/usage";

export type Panel = "settings" | "shortcuts" | "password";

/** Remembered sizes, in pixels and in a share of the height. */
export interface Layout {
  sidebarOpen: boolean;
  sidebarWidth: number;
  terminalShare: number;
}

const narrow = matchMedia("(max-width: 720px)");

export class Desk {
  readonly connection;
  readonly tree;
  readonly usage;
  readonly files;
  readonly terminals;
  readonly operations;
  readonly hello = signal<Events["hello"] | null>(null);
  readonly layout;
  readonly panel = signal<Panel | null>(null);
  readonly terminalFull = signal(false);
  /** On a narrow screen one of the two is shown, and the tree is a drawer. */
  readonly side = signal<"editor" | "terminal">("editor");
  readonly drawerOpen = signal(false);
  readonly isNarrow = signal(narrow.matches);
  /** The editor in front, once it is there; and whether it should take the focus when it comes. */
  private frontEditor: { document: OpenDocument; focus: () => void } | null = null;
  private wantsEditorFocus = false;
  private focusBefore: Element | null = null;
  private readonly layoutKey;

  constructor(
    readonly classSlug: string,
    readonly session: Session,
  ) {
    const memory = `carrel:${classSlug}:${session.person.id}`;
    this.layoutKey = `${memory}:layout`;
    this.layout = signal(loadLayout(this.layoutKey));
    this.connection = new Connection({
      url: `${location.origin.replace(/^http/, "ws")}/c/${encodeURIComponent(classSlug)}/socket`,
      sessionIsOver: () =>
        currentSession().then(
          (current) => current === null,
          () => false,
        ),
      offlineMessage: text.connection.offline,
    });
    this.tree = new Tree(this.connection, `${memory}:folders`);
    this.files = new OpenFiles(classSlug, session.person.id, this.connection, `${memory}:files`);
    this.terminals = new Terminals(this.connection, `${memory}:terminals`);
    this.terminals.onShown = () => (this.side.value = "terminal");
    this.operations = new Operations(classSlug, this.connection, this.tree, {
      open: (path) => this.open(path),
      moved: (from, to) => this.files.moved(from, to),
      removed: (path) => this.files.removed(path),
      saveWithin: (path) => this.files.saveWithin(path),
    });
    this.connection.on("hello", (hello) => this.greeted(hello));
    this.usage = new UsageWatch(this.connection, () => this.tree.home.peek());
  }

  /** Gives back how to stop. */
  start(): () => void {
    const onNarrow = () => (this.isNarrow.value = narrow.matches);
    const onOnline = () => this.connection.retryNow();
    const onVisible = () => void (document.hidden ? this.files.flush() : this.connection.retryNow());
    const onLeave = (event: Event) => {
      // Asks only where text is neither at the server nor kept in this browser.
      if (!this.files.flush()) event.preventDefault();
    };
    // A file dropped beside the tree would replace the page.
    const onDrag = (event: DragEvent) => event.preventDefault();
    const stops = [
      listen(narrow, "change", onNarrow),
      listen(window, "online", onOnline),
      listen(document, "visibilitychange", onVisible),
      listen(window, "beforeunload", onLeave),
      listen(window, "pagehide", onLeave),
      listen(window, "dragover", onDrag),
      listen(window, "drop", onDrag),
    ];
    this.connection.start();
    return () => {
      stops.forEach((stop) => stop());
      this.connection.stop();
    };
  }

  open(path: string): void {
    this.files.open(path);
    this.drawerOpen.value = false;
    this.showEditor();
    this.focusEditor();
  }

  /** Told by the view of the document in front. */
  editorShown(shown: OpenDocument, focus: () => void): () => void {
    this.frontEditor = { document: shown, focus };
    // While the file came, the person may have gone elsewhere.
    const stayed = document.activeElement === this.focusBefore || document.activeElement === document.body;
    if (this.wantsEditorFocus && stayed) focus();
    this.wantsEditorFocus = false;
    return () => {
      if (this.frontEditor?.document === shown) this.frontEditor = null;
    };
  }

  private focusEditor(): void {
    const editor = this.frontEditor;
    const inFront = editor !== null && editor.document === this.files.activeDocument.peek();
    this.wantsEditorFocus = !inFront;
    this.focusBefore = document.activeElement;
    // After the editor is shown again: what is hidden takes no focus.
    if (inFront) requestAnimationFrame(() => editor.focus());
  }

  showEditor(): void {
    this.side.value = "editor";
  }

  /** The file that Run runs: the one in front, if it is Python. */
  runnable(): boolean {
    const document = this.files.activeDocument.value;
    return document !== null && isPython(document.path.value);
  }

  run(): void {
    const document = this.files.activeDocument.peek();
    if (document && isPython(document.path.peek())) void this.terminals.startDocument(document);
  }

  /** From the tree: a file that is open is run as it is shown. */
  runFile(path: string): void {
    const view = this.files.find(path)?.view.peek();
    if (view?.kind === "text") void this.terminals.startDocument(view.document);
    else void this.terminals.startFile(path);
  }

  toggleTerminalFocus(): void {
    const tab = this.terminals.active.peek();
    const inTerminal = tab?.element.contains(document.activeElement) ?? false;
    if (tab && !inTerminal) {
      this.terminals.show(tab);
      return;
    }
    this.terminalFull.value = false;
    this.showEditor();
    this.focusEditor();
  }

  toggleSidebar(): void {
    if (this.isNarrow.peek()) this.drawerOpen.value = !this.drawerOpen.peek();
    else this.changeLayout({ sidebarOpen: !this.layout.peek().sidebarOpen });
  }

  changeLayout(changes: Partial<Layout>): void {
    this.layout.value = { ...this.layout.peek(), ...changes };
    remember(this.layoutKey, this.layout.peek());
  }

  /** Whose folder a path is in, if it is not one's own. */
  otherOwner(path: string): string | null {
    const [top, owner] = path.split("/");
    if (top !== "Local" || owner === undefined || this.hello.value === null) return null;
    return `${top}/${owner}` === this.tree.home.value ? null : owner;
  }

  private greeted(hello: Events["hello"]): void {
    this.hello.value = hello;
    document.title = `${hello.class.title} – ${text.name}`;
    this.tree.setRoots(hello.roots, hello.person.folder);
    this.terminals.connected(hello.runs, hello.person.name);
    this.files.reconnected();
  }
}

function listen<Name extends string>(
  target: EventTarget,
  name: Name,
  handler: (event: never) => void,
): () => void {
  target.addEventListener(name, handler as EventListener);
  return () => target.removeEventListener(name, handler as EventListener);
}

function loadLayout(key: string): Layout {
  const stored = recall(key, isRecord) ?? {};
  const number = (value: unknown, otherwise: number) => (typeof value === "number" ? value : otherwise);
  return {
    sidebarOpen: stored.sidebarOpen !== false,
    sidebarWidth: number(stored.sidebarWidth, 260),
    terminalShare: number(stored.terminalShare, 0.38),
  };
}
