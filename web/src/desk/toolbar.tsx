// The bar at the top: Run, Stop and Python first, then how saving is going, then settings, help and the person.
import { useEffect, useState } from "preact/hooks";
import { signOut } from "../account/session";
import type { SaveStatus } from "../document/document";
import { isPython } from "../parts/paths";
import { showHistory } from "../history/show-history";
import {
  CheckIcon,
  ClockIcon,
  HelpIcon,
  HistoryIcon,
  Logo,
  OfflineIcon,
  PromptIcon,
  RunIcon,
} from "../parts/icons";
import { SettingsIcon, SidebarIcon, StopIcon, WarningIcon } from "../parts/icons";
import { showMenu } from "../parts/menu";
import { confirm } from "../parts/questions";
import { text } from "../text";
import type { Desk } from "./desk";

const words = text.run;

export function Toolbar({ desk }: { desk: Desk }) {
  const { layout, isNarrow, drawerOpen } = desk;
  const sidebarShown = isNarrow.value ? drawerOpen.value : layout.value.sidebarOpen;
  const sidebarTitle = sidebarShown ? text.tree.close : text.tree.open;
  return (
    <header class="toolbar">
      <button
        class="quiet square"
        aria-label={sidebarTitle}
        title={`${sidebarTitle} (Ctrl+B)`}
        aria-expanded={sidebarShown}
        data-testid="sidebar-toggle"
        onClick={() => desk.toggleSidebar()}
      >
        <SidebarIcon />
      </button>
      <div class="brand only-wide">
        <Logo />
        <span class="class-title">{desk.hello.value?.class.title ?? text.name}</span>
      </div>
      <RunButtons desk={desk} />
      <SaveState desk={desk} />
      <span class="spring" />
      <HistoryButton desk={desk} />
      <button
        class="quiet square"
        aria-label={text.settings.title}
        title={`${text.settings.title} (Ctrl+,)`}
        data-testid="settings"
        onClick={() => (desk.panel.value = "settings")}
      >
        <SettingsIcon />
      </button>
      <button
        class="quiet square only-wide"
        aria-label={text.general.help}
        title={`${text.general.help} (F1)`}
        data-testid="help"
        onClick={() => (desk.panel.value = "shortcuts")}
      >
        <HelpIcon />
      </button>
      <UserMenu desk={desk} />
    </header>
  );
}

function RunButtons({ desk }: { desk: Desk }) {
  const { terminals, files } = desk;
  const runnable = desk.runnable();
  const path = files.active.value?.path.value;
  const why = runnable || (path !== undefined && isPython(path)) ? words.runTitle : words.runNothing;
  const live = terminals.activeIsLive.value;
  return (
    <div class="run-buttons">
      <button
        class="run"
        data-testid="run"
        title={why}
        disabled={!runnable || terminals.starting.value}
        onClick={() => desk.run()}
      >
        <RunIcon /> {words.run}
      </button>
      <button
        class="stop"
        data-testid="stop"
        title={words.stopTitle}
        disabled={!live}
        onClick={() => terminals.stop()}
      >
        <StopIcon /> <span class="label">{words.stop}</span>
      </button>
      <button
        class="quiet"
        data-testid="python"
        title={words.pythonTitle}
        onClick={() => void terminals.startPython()}
      >
        <PromptIcon /> <span class="label">{words.python}</span>
      </button>
    </div>
  );
}

function HistoryButton({ desk }: { desk: Desk }) {
  const document = desk.files.activeDocument.value;
  if (!document) return null;
  return (
    <button
      class="quiet square only-wide"
      aria-label={text.history.button}
      title={text.history.button}
      data-testid="history"
      onClick={() => showHistory(document.path.peek())}
    >
      <HistoryIcon />
    </button>
  );
}

/** So long "Saved" stays while a keystroke is on its way: words that flicker tell nothing. */
const quietTime = 600;

function SaveState({ desk }: { desk: Desk }) {
  const document = desk.files.activeDocument.value;
  const kind = document?.status.value.kind ?? "saved";
  const [late, setLate] = useState(false);
  useEffect(() => {
    setLate(false);
    if (kind !== "saving") return;
    const timer = setTimeout(() => setLate(true), quietTime);
    return () => clearTimeout(timer);
  }, [kind]);
  if (!document?.writable.value) return null;
  const { words, why } = saveWords(document.status.value, late);
  const Icon = {
    saved: CheckIcon,
    saving: late ? ClockIcon : CheckIcon,
    offline: OfflineIcon,
    failed: WarningIcon,
    conflict: WarningIcon,
    deleted: WarningIcon,
  }[kind];
  return (
    <span class={`save-state ${kind}`} data-testid="save-state" data-state={kind} title={why}>
      <Icon />
      <span class="save-words" role="status">
        {words}
      </span>
    </span>
  );
}

function saveWords(status: SaveStatus, late: boolean): { words: string; why: string } {
  const all = text.save;
  switch (status.kind) {
    case "saved":
      return { words: all.saved, why: status.disk ? all.savedWhy : all.journaledWhy };
    case "saving":
      return { words: late ? all.saving : all.saved, why: all.saving };
    case "offline":
      return status.kept
        ? { words: all.offline, why: all.offlineWhy }
        : { words: all.unkept, why: all.unkeptWhy };
    case "failed":
      return { words: all.failed(status.reason), why: all.failed(status.reason) };
    case "conflict":
    case "deleted":
      return { words: all[status.kind], why: all[status.kind] };
  }
}

function UserMenu({ desk }: { desk: Desk }) {
  const { person, classes } = desk.session;
  const leave = async () => {
    if (!(await desk.files.syncAll())) {
      const { signOutTitle: title, signOutBody, signOutAnyway: action } = text.account;
      if (!(await confirm({ title, body: [signOutBody], action, danger: true }))) return;
    }
    desk.files.discardAll();
    desk.connection.stop();
    await signOut(person.id);
    location.assign("/");
  };
  const open = (button: HTMLElement) =>
    showMenu(
      text.account.menu(person.name),
      [
        ...(classes.length > 1 ? [{ label: text.classes.title, action: () => location.assign("/") }] : []),
        {
          label: text.account.changePassword,
          action: () => (desk.panel.value = "password"),
          testid: "change-password",
        },
        { label: text.general.help, action: () => (desk.panel.value = "shortcuts") },
        { label: text.account.signOut, action: () => void leave(), separated: true, testid: "sign-out" },
      ],
      button,
    );
  return (
    <button
      class="user quiet"
      data-testid="user-menu"
      aria-haspopup="menu"
      aria-label={person.name}
      title={`${person.name} – ${text.account.roles[person.role]}`}
      onClick={(event) => open(event.currentTarget)}
    >
      <span class="avatar" data-initial={[...person.name][0]?.toUpperCase()} />
      <span class="label">{person.name}</span>
    </button>
  );
}
