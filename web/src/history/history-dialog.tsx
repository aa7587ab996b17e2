// The history of a file: a slider over its past, playback, the text of the moment, and what can be done with it.
import { useEffect, useMemo, useRef } from "preact/hooks";
import { RequestError } from "../connection/connection";
import type { Desk } from "../desk/desk";
import { documentOf } from "../editor/open-files";
import { Dialog } from "../parts/dialog";
import { ChevronIcon, PauseIcon, RunIcon } from "../parts/icons";
import { inform, warn, warnOf } from "../parts/notices";
import { nameOf } from "../parts/paths";
import type { Mark } from "../protocol";
import { text } from "../text";
import { FileHistory } from "./history";
import { endOf, momentsOf, placeOf, type Moment, type StepSize } from "./past";
import { PastView } from "./past-view";

const words = text.history;
const speeds = [1, 4, 16, 64];

interface HistoryDialogProps {
  desk: Desk;
  path: string;
  onClose: () => void;
}

export function HistoryDialog({ desk, path, onClose }: HistoryDialogProps) {
  const host = useRef<HTMLDivElement>(null);
  const history = useMemo(() => {
    const titleOf = (revision: number): string => titleAt(made, revision);
    const made: FileHistory = new FileHistory(desk.connection, path, titleOf, words.nowTitle);
    return made;
  }, [desk, path]);
  useEffect(() => {
    if (!host.current) return;
    const view = new PastView(host.current, path);
    // What was typed just now belongs to the past, too.
    const document = documentOf(desk.files.find(path) ?? null);
    void (document?.sync() ?? Promise.resolve(true)).then(() => history.load(view));
    return () => {
      history.close();
      view.destroy();
    };
  }, [history]);
  const past = history.past.value;
  const empty = past !== null && past.spans.length === 0;
  return (
    <Dialog title={words.title(nameOf(path))} onClose={onClose} class="huge history">
      {history.problem.value !== null && (
        <p class="problem" role="alert">
          {words.failed(history.problem.value)}
        </p>
      )}
      {empty && <p class="hint">{words.none}</p>}
      {past && !empty && <Controls history={history} />}
      <div class="history-body">
        <div class="past" ref={host} data-testid="history-text" />
        {past && !empty && <Moments history={history} />}
      </div>
      {past && !empty && <Actions desk={desk} history={history} onClose={onClose} />}
    </Dialog>
  );
}

function Controls({ history }: { history: FileHistory }) {
  const moments = history.moments.value;
  const playing = history.playing.value;
  const place = placeOf(moments, history.revision.value);
  return (
    <div class="history-controls">
      <div class="history-line">
        <button
          class="quiet square"
          aria-label={words.earlier}
          title={words.earlier}
          disabled={place === 0}
          onClick={() => history.step(-1)}
        >
          <span class="turned">
            <ChevronIcon />
          </span>
        </button>
        <button
          class="primary square"
          aria-label={playing ? words.pause : words.play}
          title={playing ? words.pause : words.play}
          data-testid="history-play"
          data-playing={playing}
          onClick={() => (playing ? history.pause() : void history.play())}
        >
          {playing ? <PauseIcon /> : <RunIcon />}
        </button>
        <button
          class="quiet square"
          aria-label={words.later}
          title={words.later}
          disabled={place === 1}
          onClick={() => history.step(1)}
        >
          <ChevronIcon />
        </button>
        <Slider history={history} moments={moments} place={place} />
      </div>
      <div class="history-line">
        <strong
          class="history-moment"
          role="status"
          aria-live={playing ? "off" : "polite"}
          data-testid="history-moment"
        >
          {shownWords(history)}
        </strong>
        <span class="spring" />
        <Choice
          label={words.step}
          value={history.stepSize.value}
          options={(["minutes", "sessions"] as const).map((size) => [size, words.steps[size]])}
          onChange={(size) => (history.stepSize.value = size as StepSize)}
        />
        <Choice
          label={words.speed}
          value={String(history.speed.value)}
          options={speeds.map((speed) => [String(speed), words.speeds(speed)])}
          onChange={(speed) => history.setSpeed(Number(speed))}
        />
      </div>
    </div>
  );
}

interface SliderProps {
  history: FileHistory;
  moments: readonly Moment[];
  place: number;
}

function Slider({ history, moments, place }: SliderProps) {
  const marks = history.past.value?.marks ?? [];
  return (
    <div class="history-slider">
      <input
        type="range"
        min={0}
        max={Math.max(1, moments.length - 1)}
        step="any"
        value={place * Math.max(1, moments.length - 1)}
        aria-label={words.when}
        aria-valuetext={titleAt(history, history.revision.value)}
        data-testid="history-slider"
        onInput={(event) => history.goToMoment(Math.round(Number(event.currentTarget.value)))}
        onKeyDown={(event) => {
          const by = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 }[event.key];
          if (by) history.step(by as 1 | -1);
          else if (event.key === "Home") history.goToMoment(0);
          else if (event.key === "End") history.goToMoment(moments.length - 1);
          else return;
          event.preventDefault();
        }}
      />
      {marks.map((mark) => (
        <span
          key={mark.run}
          class={`history-mark ${endOf(mark) ?? ""}`}
          style={{ "--place": placeOf(moments, mark.revision) }}
          title={runWords(mark)}
          aria-hidden="true"
        />
      ))}
    </div>
  );
}

interface ChoiceProps {
  label: string;
  value: string;
  options: readonly (readonly [string, string])[];
  onChange: (value: string) => void;
}

const Choice = ({ label, value, options, onChange }: ChoiceProps) => (
  <label class="history-choice">
    {label}
    <select value={value} onChange={(event) => onChange(event.currentTarget.value)}>
      {options.map(([key, name]) => (
        <option key={key} value={key}>
          {name}
        </option>
      ))}
    </select>
  </label>
);

type Entry = { revision: number; time: number } & ({ moment: Moment } | { mark: Mark });

/** Sessions and runs, newest first: the way there without a slider. */
function Moments({ history }: { history: FileHistory }) {
  const past = history.past.value;
  if (!past) return null;
  const sessions = momentsOf(past, "sessions").slice(1);
  const entries: Entry[] = [
    ...sessions.map((moment) => ({ revision: moment.revision, time: moment.end, moment })),
    ...past.marks.map((mark) => ({ revision: mark.revision, time: mark.time, mark })),
  ].sort((one, other) => other.time - one.time);
  return (
    <div class="history-moments">
      <h3 id="history-moments">{words.moments}</h3>
      <ul aria-labelledby="history-moments">
        {entries.map((entry, index) => (
          <li key={index}>
            <button
              class={`quiet ${"mark" in entry ? `history-run ${endOf(entry.mark) ?? ""}` : ""}`}
              aria-current={entry.revision === history.revision.value}
              data-testid={"mark" in entry ? "history-run" : "history-session"}
              onClick={() => history.goTo(Math.max(past.first, entry.revision))}
            >
              {"mark" in entry ? runWords(entry.mark) : sessionWords(entry.moment)}
            </button>
          </li>
        ))}
      </ul>
    </div>
  );
}

function Actions({ desk, history, onClose }: { desk: Desk; history: FileHistory; onClose: () => void }) {
  const document = documentOf(desk.files.find(history.path) ?? null);
  const readOnly = document !== null && !document.writable.value;
  const restore = async () => {
    const then = history.text();
    onClose();
    try {
      await restoreText(desk, history.path, then);
    } catch (error) {
      warnOf(error);
    }
  };
  return (
    <footer class="dialog-foot history-foot">
      <label class="history-choice">
        <input
          type="checkbox"
          checked={history.comparing.value}
          data-testid="history-compare"
          onChange={(event) => history.compare(event.currentTarget.checked)}
        />
        {words.compare}
      </label>
      <span class="spring" />
      <button data-testid="history-copy" onClick={() => void copyText(history.text())}>
        {words.copy}
      </button>
      <button
        class="primary"
        data-testid="history-restore"
        disabled={readOnly}
        title={readOnly ? words.restoreReadOnly : undefined}
        onClick={() => void restore()}
      >
        {words.restore}
      </button>
    </footer>
  );
}

/** As an ordinary edit of the open file, so that it can be undone; of a file that is gone, by making it anew. */
async function restoreText(desk: Desk, path: string, then: string): Promise<void> {
  desk.open(path);
  const file = desk.files.open(path);
  const view = await desk.files.whenRead(file);
  if (view.kind === "text") {
    if (!view.document.writable.peek()) throw new RequestError("forbidden", words.restoreReadOnly);
    view.document.replaceText(then);
    if (view.document.conflict.peek() === "deleted") await view.document.resolve("mine");
  } else {
    await desk.connection.request("file.save", { path, text: then });
    await desk.files.retry(file);
  }
  inform(words.restored);
}

async function copyText(then: string): Promise<void> {
  try {
    // Only in a secure context is there a clipboard.
    if (!("clipboard" in navigator)) throw new Error("no clipboard");
    await navigator.clipboard.writeText(then);
  } catch {
    if (!copyByHand(then)) return warn(words.copyFailed);
  }
  inform(words.copied);
}

function copyByHand(then: string): boolean {
  const area = document.createElement("textarea");
  area.value = then;
  (document.querySelector("dialog[open]") ?? document.body).append(area);
  area.select();
  const copied = document.execCommand("copy");
  area.remove();
  return copied;
}

function shownWords(history: FileHistory): string {
  const step = history.played.value;
  if (step) return words.moment(step.time, step.name);
  return titleAt(history, history.revision.value);
}

/** A moment, or a run within one. */
function titleAt(history: FileHistory, revision: number): string {
  const moments = history.moments.value;
  const moment = moments.find((one) => one.revision >= revision);
  const mark = history.past.value?.marks.find((one) => one.revision === revision);
  if (mark && moment?.revision !== revision) return words.moment(mark.time, runHow(mark));
  return momentWords(moment);
}

function momentWords(moment: Moment | undefined): string {
  if (!moment || moment.names.length === 0) return words.begin;
  return words.moment(moment.end, moment.names.join(", "));
}

const sessionWords = ({ start, end, names, inserted, deleted }: Moment): string =>
  `${words.session(start, end, names.join(", "))} ${words.typed(inserted, deleted)}`;

const runWords = (mark: Mark): string => words.run(mark.time, runHow(mark));

function runHow(mark: Mark): string {
  const end = endOf(mark);
  return words.runBy(mark.name, end === null ? "" : words.runEnds[end]);
}
