// The panel of terminals: their tabs, the one in front, and below it how its program is doing.
import { useEffect, useRef } from "preact/hooks";
import type { Desk } from "../desk/desk";
import { ClearIcon, ClockIcon, CloseIcon, PromptIcon, RunIcon, CheckIcon, ExpandIcon } from "../parts/icons";
import type { RunInfo, State } from "../protocol";
import { settings } from "../settings/settings";
import { text } from "../text";
import { endSentence, stateWord } from "./run-words";
import type { TerminalTab } from "./terminal-tab";

const words = text.run;
const tabId = (tab: TerminalTab): string => `terminal-tab-${tab.id}`;

export function TerminalPanel({ desk }: { desk: Desk }) {
  const { terminals } = desk;
  const active = terminals.active.value;
  return (
    <section class="terminal-panel" aria-label={words.terminal}>
      <div class="terminal-head">
        <TerminalTabs desk={desk} />
        {active && (
          <button
            class="quiet square"
            title={words.clearTitle}
            aria-label={words.clearTitle}
            data-testid="clear"
            onClick={() => active.clear()}
          >
            <ClearIcon />
          </button>
        )}
        <button
          class="quiet square only-wide"
          title={desk.terminalFull.value ? words.split : words.full}
          aria-label={desk.terminalFull.value ? words.split : words.full}
          aria-pressed={desk.terminalFull.value}
          onClick={() => (desk.terminalFull.value = !desk.terminalFull.value)}
        >
          <ExpandIcon />
        </button>
      </div>
      {active ? <ActiveTerminal key={active.id} desk={desk} tab={active} /> : <NoTerminal desk={desk} />}
    </section>
  );
}

function TerminalTabs({ desk }: { desk: Desk }) {
  const { terminals } = desk;
  const onKeyDown = (event: KeyboardEvent) => {
    const by = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    if (by === 0) return;
    event.preventDefault();
    terminals.step(by);
    const strip = event.currentTarget as HTMLElement;
    requestAnimationFrame(() => strip.querySelector<HTMLElement>("[aria-selected=true]")?.focus());
  };
  if (terminals.tabs.value.length === 0) return <h2 class="panel-title">{words.terminal}</h2>;
  return (
    <div class="terminal-tabs" onKeyDown={onKeyDown}>
      <div
        role="tablist"
        aria-label={words.terminals}
        aria-owns={terminals.tabs.value.map(tabId).join(" ")}
      />
      {terminals.tabs.value.map((tab) => (
        <TerminalTabButton key={tab.id} desk={desk} tab={tab} />
      ))}
    </div>
  );
}

function TerminalTabButton({ desk, tab }: { desk: Desk; tab: TerminalTab }) {
  const info = tab.info.value;
  const active = desk.terminals.active.value === tab;
  const title = titleOf(desk, info);
  return (
    <div
      class={`tab terminal-tab ${active ? "active" : ""}`}
      data-testid="terminal-tab"
      data-run={info.run}
      onMouseDown={(event) => event.button === 1 && event.preventDefault()}
      onAuxClick={(event) => event.button === 1 && void desk.terminals.close(tab)}
    >
      <button
        role="tab"
        id={tabId(tab)}
        class="tab-name"
        aria-selected={active}
        tabIndex={active ? 0 : -1}
        onClick={() => desk.terminals.show(tab)}
      >
        <StateMark state={info.state} />
        {title}
        <span class="tab-state">{stateWord(info)}</span>
      </button>
      <button
        class="quiet square tab-close"
        tabIndex={active ? 0 : -1}
        aria-label={words.close(title)}
        onClick={() => void desk.terminals.close(tab)}
      >
        <CloseIcon />
      </button>
    </div>
  );
}

function ActiveTerminal({ desk, tab }: { desk: Desk; tab: TerminalTab }) {
  const host = useRef<HTMLDivElement>(null);
  const { fontSize, screenReader } = settings.value;
  useEffect(() => {
    if (!host.current) return;
    host.current.append(tab.element);
    const watch = new ResizeObserver(() => tab.shown());
    watch.observe(host.current);
    tab.shown();
    return () => watch.disconnect();
  }, [tab]);
  useEffect(() => tab.changeLooks(), [fontSize, screenReader]);
  const info = tab.info.value;
  const end = endSentence(info);
  return (
    <div class="terminal-body" role="tabpanel" aria-label={titleOf(desk, info)}>
      <div
        class="terminal"
        ref={(element) => {
          host.current = element;
          if (element) Object.assign(element, { carrelText: () => tab.element.carrelText?.() ?? "" });
        }}
        data-testid="terminal"
        data-run={info.run}
      />
      {tab.note.value !== null && <p class="terminal-note">{tab.note.value}</p>}
      <p
        class={`terminal-state ${info.state} ${isBad(info) ? "bad" : ""}`}
        role="status"
        data-testid="terminal-state"
        data-state={info.state}
        data-reason={info.reason}
      >
        <StateMark state={info.state} />
        <span class="state-word">{stateWord(info)}</span>
        {end !== null && <span class="state-end">{end}</span>}
      </p>
    </div>
  );
}

function NoTerminal({ desk }: { desk: Desk }) {
  return (
    <div class="empty">
      <p>{words.empty}</p>
      <p class="hint">{words.emptyHint}</p>
      <button onClick={() => void desk.terminals.startPython()}>
        <PromptIcon /> {words.pythonTitle}
      </button>
    </div>
  );
}

function StateMark({ state }: { state: State }) {
  const icons = {
    starting: ClockIcon,
    running: RunIcon,
    waiting: PromptIcon,
    repl: PromptIcon,
    ended: CheckIcon,
  };
  const Icon = icons[state];
  return (
    <span class={`state-mark ${state}`}>
      <Icon />
    </span>
  );
}

function titleOf(desk: Desk, info: RunInfo): string {
  const owner = desk.terminals.isOthers(info) ? info.owner : desk.otherOwner(info.path ?? "");
  return owner === null ? info.title : words.owner(info.title, owner);
}

const isBad = (info: RunInfo): boolean =>
  info.state === "ended" &&
  ([
    "cpu-limit",
    "memory-limit",
    "output-limit",
    "file-limit",
    "workspace-limit",
    "failed",
    "killed",
  ].includes(info.reason ?? "") ||
    (info.exit ?? 0) > 0);
