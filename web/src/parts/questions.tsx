// Questions to the person, asked from anywhere and answered by a promise: yes or no, or a name.
import { signal } from "@preact/signals";
import { useId, useState } from "preact/hooks";
import { text } from "../text";
import { Dialog } from "./dialog";

interface Confirmation {
  kind: "confirm";
  title: string;
  body: string[];
  action: string;
  cancel?: string;
  danger?: boolean;
  /** Nothing is asked: there is only the one button. */
  told?: boolean;
  answer: (yes: boolean) => void;
}

interface Choice {
  kind: "choice";
  title: string;
  body: string[];
  options: readonly { value: string; label: string }[];
  /** Offers to answer further questions of the kind the same way. */
  forAll?: string | undefined;
  answer: (value: { value: string; forAll: boolean } | null) => void;
}

interface NameQuestion {
  kind: "name";
  title: string;
  hint: string;
  value: string;
  action: string;
  /** What is wrong with it, or nothing. */
  problem: (value: string) => string | null;
  /** What it becomes, where that differs from what was typed. */
  note?: (value: string) => string | null;
  answer: (value: string | null) => void;
}

type Question = Confirmation | NameQuestion | Choice;

const questions = signal<readonly Question[]>([]);

function ask<Answer>(make: (answer: (value: Answer) => void) => Question): Promise<Answer> {
  return new Promise((resolve) => {
    const question = make((value) => {
      questions.value = questions.value.filter((other) => other !== question);
      resolve(value);
    });
    questions.value = [...questions.value, question];
  });
}

export const confirm = (options: Omit<Confirmation, "kind" | "answer">): Promise<boolean> =>
  ask((answer) => ({ ...options, kind: "confirm", answer }));

export const askName = (options: Omit<NameQuestion, "kind" | "answer">): Promise<string | null> =>
  ask((answer) => ({ ...options, kind: "name", answer }));

export function choose<Value extends string>(options: {
  title: string;
  body: string[];
  options: readonly { value: Value; label: string }[];
  forAll?: string | undefined;
}): Promise<{ value: Value; forAll: boolean } | null> {
  return ask<{ value: string; forAll: boolean } | null>((answer) => ({
    ...options,
    kind: "choice",
    answer,
  })) as Promise<{
    value: Value;
    forAll: boolean;
  } | null>;
}

export function Questions() {
  const question = questions.value[0];
  if (!question) return null;
  // Each question is a dialog of its own, so that no typed name is carried into the next.
  const key = `${question.kind}:${question.title}`;
  if (question.kind === "confirm") return <Confirm key={key} question={question} />;
  if (question.kind === "choice") return <Choose key={key} question={question} />;
  return <AskName key={key} question={question} />;
}

function Choose({ question }: { question: Choice }) {
  const [forAll, setForAll] = useState(false);
  return (
    <Dialog title={question.title} onClose={() => question.answer(null)}>
      {question.body.map((line) => (
        <p key={line}>{line}</p>
      ))}
      {question.forAll && (
        <label class="for-all">
          <input
            type="checkbox"
            data-testid="dialog-for-all"
            checked={forAll}
            onChange={(event) => setForAll(event.currentTarget.checked)}
          />
          {question.forAll}
        </label>
      )}
      <footer class="dialog-foot">
        <button data-testid="dialog-cancel" onClick={() => question.answer(null)}>
          {text.general.cancel}
        </button>
        {question.options.map(({ value, label }) => (
          <button
            key={value}
            data-testid={`dialog-${value}`}
            onClick={() => question.answer({ value, forAll })}
          >
            {label}
          </button>
        ))}
      </footer>
    </Dialog>
  );
}

function Confirm({ question }: { question: Confirmation }) {
  const submit = (event: Event) => {
    event.preventDefault();
    question.answer(true);
  };
  return (
    <Dialog title={question.title} onClose={() => question.answer(false)}>
      <form onSubmit={submit}>
        {question.body.map((line) => (
          <p key={line}>{line}</p>
        ))}
        <footer class="dialog-foot">
          {!question.told && (
            <button type="button" data-testid="dialog-cancel" onClick={() => question.answer(false)}>
              {question.cancel ?? text.general.cancel}
            </button>
          )}
          <button
            type="submit"
            class={question.danger ? "danger" : "primary"}
            data-testid="dialog-confirm"
            autofocus
          >
            {question.action}
          </button>
        </footer>
      </form>
    </Dialog>
  );
}

function AskName({ question }: { question: NameQuestion }) {
  const [value, setValue] = useState(question.value);
  const [tried, setTried] = useState(false);
  const [field, hint] = [useId(), useId()];
  const problem = question.problem(value);
  const shown = problem !== null && (tried || value.trim() !== "");
  const submit = (event: Event) => {
    event.preventDefault();
    setTried(true);
    if (problem === null) question.answer(value);
  };
  return (
    <Dialog title={question.title} onClose={() => question.answer(null)}>
      <form onSubmit={submit}>
        <label for={field}>{text.fileDialog.name}</label>
        <input
          id={field}
          data-testid="dialog-input"
          value={value}
          autocomplete="off"
          autocapitalize="off"
          spellcheck={false}
          aria-describedby={hint}
          aria-invalid={shown}
          ref={selectStem}
          onInput={(event) => setValue(event.currentTarget.value)}
        />
        <p id={hint} class={shown ? "problem" : "hint"} aria-live="polite">
          {shown ? problem : (question.note?.(value) ?? question.hint)}
        </p>
        <footer class="dialog-foot">
          <button type="button" data-testid="dialog-cancel" onClick={() => question.answer(null)}>
            {text.general.cancel}
          </button>
          <button type="submit" class="primary" data-testid="dialog-confirm">
            {question.action}
          </button>
        </footer>
      </form>
    </Dialog>
  );
}

/** "program.py" opens with "program" selected: the ending mostly stays. */
function selectStem(input: HTMLInputElement | null): void {
  if (!input || input.dataset.ready) return;
  input.dataset.ready = "yes";
  requestAnimationFrame(() => {
    input.focus();
    const dot = input.value.lastIndexOf(".");
    input.setSelectionRange(0, dot > 0 ? dot : input.value.length);
  });
}
