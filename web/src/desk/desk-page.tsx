// The desk on the screen: toolbar, tree, editor above terminal.
import { useEffect, useMemo, useRef } from "preact/hooks";
import type { Session } from "../account/session";
import { EditorPane } from "../editor/editor-pane";
import { TabStrip } from "../editor/tab-strip";
import { HistoryHost } from "../history/history-host";
import { MenuHost } from "../parts/menu";
import { Notices } from "../parts/notices";
import { Questions } from "../parts/questions";
import { TerminalPanel } from "../run/terminal-panel";
import { PasswordDialog } from "../account/password-dialog";
import { SettingsDialog } from "../settings/settings-dialog";
import { ShortcutsDialog } from "../settings/shortcuts-dialog";
import { text } from "../text";
import { FolderChooser } from "../tree/folder-chooser";
import { TrashDialog } from "../tree/trash-dialog";
import "../style/document.css";
import "../style/tabs.css";
import "../style/desk.css";
import "../style/tree.css";
import "../style/terminal.css";
import "../style/parts.css";
import { ConnectionBar, SignInAgain } from "./connection-bar";
import { Desk } from "./desk";
import { listenForShortcuts } from "./shortcuts";
import { Sidebar } from "./sidebar";
import { Splitter } from "./splitter";
import { Toolbar } from "./toolbar";

export interface DeskPageProps {
  slug: string;
  session: Session;
}

export function DeskPage({ slug, session }: DeskPageProps) {
  const desk = useMemo(() => new Desk(slug, session), [slug, session]);
  useEffect(() => {
    const stops = [desk.start(), listenForShortcuts(desk)];
    return () => stops.forEach((stop) => stop());
  }, [desk]);
  const { layout, isNarrow } = desk;
  return (
    <div class="desk">
      <Toolbar desk={desk} />
      <ConnectionBar desk={desk} />
      <div class="desk-body">
        <Sidebar desk={desk} />
        {!isNarrow.value && layout.value.sidebarOpen && (
          <Splitter
            label={text.tree.resize}
            orientation="vertical"
            value={layout.value.sidebarWidth}
            minimum={160}
            maximum={520}
            step={16}
            perPixel={() => 1}
            onChange={(sidebarWidth) => desk.changeLayout({ sidebarWidth })}
          />
        )}
        <Work desk={desk} />
      </div>
      {isNarrow.value && <SideSwitch desk={desk} />}
      <Dialogs desk={desk} />
    </div>
  );
}

function Work({ desk }: { desk: Desk }) {
  const host = useRef<HTMLElement>(null);
  const { layout, isNarrow, side, terminalFull } = desk;
  const narrow = isNarrow.value;
  const editorShown = narrow ? side.value === "editor" : !terminalFull.value;
  const terminalShown = !narrow || side.value === "terminal";
  const share = layout.value.terminalShare;
  const terminalSize =
    !narrow && editorShown ? { flex: `0 0 ${(share * 100).toFixed(2)}%` } : { flex: "1 1 0" };
  return (
    <main class="work" ref={host}>
      <div class="editor-side" hidden={!editorShown}>
        <TabStrip desk={desk} />
        <EditorPane desk={desk} />
      </div>
      {!narrow && editorShown && (
        <Splitter
          label={text.run.resize}
          orientation="horizontal"
          value={share}
          minimum={0.12}
          maximum={0.85}
          step={16}
          perPixel={() => -1 / Math.max(1, host.current?.clientHeight ?? 1)}
          onChange={(terminalShare) => desk.changeLayout({ terminalShare })}
        />
      )}
      <div class="terminal-side" style={terminalSize} hidden={!terminalShown}>
        <TerminalPanel desk={desk} />
      </div>
    </main>
  );
}

function SideSwitch({ desk }: { desk: Desk }) {
  const sides = [
    ["editor", text.general.editor],
    ["terminal", text.run.terminal],
  ] as const;
  return (
    <div class="side-switch" role="group">
      {sides.map(([side, label]) => (
        <button
          key={side}
          class="quiet"
          aria-pressed={desk.side.value === side}
          data-testid={`show-${side}`}
          onClick={() => (desk.side.value = side)}
        >
          {label}
        </button>
      ))}
    </div>
  );
}

function Dialogs({ desk }: { desk: Desk }) {
  const close = () => (desk.panel.value = null);
  return (
    <>
      {desk.panel.value === "settings" && <SettingsDialog onClose={close} />}
      {desk.panel.value === "shortcuts" && <ShortcutsDialog onClose={close} />}
      {desk.panel.value === "password" && <PasswordDialog onClose={close} />}
      <FolderChooser />
      <TrashDialog />
      <HistoryHost desk={desk} />
      <Questions />
      <SignInAgain desk={desk} />
      <MenuHost />
      <Notices />
    </>
  );
}
