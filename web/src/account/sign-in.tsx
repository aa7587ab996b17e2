// The sign-in form: a page of its own at first, and again over the desk when a session ends.
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { EyeIcon } from "../parts/icons";
import { entranceText as text } from "../text-entrance";
import { signIn, type Session } from "./session";

const words = text.signIn;

interface SignInFormProps {
  onSignedIn: (session: Session) => void;
  /** Filled in and focus on the password: the person whose page this is. */
  name?: string;
}

export function SignInForm({ onSignedIn, name: known = "" }: SignInFormProps) {
  const [name, setName] = useState(known);
  const [password, setPassword] = useState("");
  const [visible, setVisible] = useState(false);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const [wait, setWait] = useState(0);
  const passwordField = useRef<HTMLInputElement>(null);
  const ids = { name: useId(), password: useId(), problem: useId() };

  useEffect(() => {
    if (wait <= 0) return;
    const timer = setTimeout(() => setWait(wait - 1), 1000);
    return () => clearTimeout(timer);
  }, [wait]);

  const submit = async (event: Event) => {
    event.preventDefault();
    if (busy || wait > 0) return;
    setBusy(true);
    setProblem(null);
    const result = await signIn(name.trim(), password);
    setBusy(false);
    if (result.kind === "signed-in") return onSignedIn(result.session);
    if (result.kind === "too-many") return setWait(result.seconds);
    setProblem(words[result.kind]);
    passwordField.current?.select();
  };
  const shown = wait > 0 ? words.tooMany(wait) : problem;
  return (
    <form class="sign-in-form" onSubmit={submit}>
      <label for={ids.name}>{words.name}</label>
      <input
        id={ids.name}
        data-testid="sign-in-name"
        value={name}
        onInput={(event) => setName(event.currentTarget.value)}
        autocomplete="username"
        autocapitalize="off"
        spellcheck={false}
        required
        autofocus={known === ""}
      />
      <label for={ids.password}>{words.password}</label>
      <div class="password-field">
        <input
          id={ids.password}
          ref={passwordField}
          data-testid="sign-in-password"
          type={visible ? "text" : "password"}
          value={password}
          onInput={(event) => setPassword(event.currentTarget.value)}
          autocomplete="current-password"
          aria-describedby={ids.problem}
          required
          autofocus={known !== ""}
        />
        <button
          type="button"
          class="quiet square"
          aria-pressed={visible}
          aria-label={visible ? words.hidePassword : words.showPassword}
          onClick={() => setVisible(!visible)}
        >
          <EyeIcon />
        </button>
      </div>
      <p id={ids.problem} class="problem" role="alert" data-testid="sign-in-problem">
        {shown}
      </p>
      <button type="submit" class="primary wide" data-testid="sign-in-submit" disabled={busy || wait > 0}>
        {busy ? words.busy : words.submit}
      </button>
    </form>
  );
}
