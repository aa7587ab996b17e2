// The bar at the top: Run, Stop and Python first, then how saving is going, then settings, help and the person.
import { signOut } from "../account/session";
import { isPython } from "../parts/paths";
import { CheckIcon, ClockIcon, HelpIcon, Logo, OfflineIcon, PromptIcon, RunIcon } from "../parts/icons";
import { SettingsIcon, SidebarIcon, StopIcon, WarningIcon } from "../parts/icons";
import { showMenu } from "../parts/menu";
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

function SaveState({ desk }: { desk: Desk }) {
  const document = desk.files.activeDocument.value;
  if (!document?.writable) return null;
  const status = document.status.value;
  const offline = desk.connection.state.value !== "open" && status.kind === "saving";
  const kind = offline ? "offline" : status.kind;
  const words =
    status.kind === "failed" ? text.save.failed(status.reason) : text.save[offline ? "offline" : status.kind];
  const Icon = { saved: CheckIcon, saving: ClockIcon, offline: OfflineIcon, failed: WarningIcon }[kind];
  return (
    <span class={`save-state ${kind}`} role="status" data-testid="save-state" data-state={kind} title={words}>
      <Icon />
      <span class="save-words">{words}</span>
    </span>
  );
}

function UserMenu({ desk }: { desk: Desk }) {
  const { person, classes } = desk.session;
  const leave = async () => {
    await desk.files.saveWithin("");
    desk.files.flush();
    desk.connection.stop();
    await signOut();
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
