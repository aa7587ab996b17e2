import { useId, useState } from "preact/hooks";
import { Dialog } from "../parts/dialog";
import { inform } from "../parts/notices";
import { text } from "../text";
import { changePassword } from "./session";

const words = text.account;
const shortest = 8;

export function PasswordDialog({ onClose }: { onClose: () => void }) {
  const [old, setOld] = useState("");
  const [changed, setChanged] = useState("");
  const [again, setAgain] = useState("");
  const [problem, setProblem] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);

  const submit = async (event: Event) => {
    event.preventDefault();
    if ([...changed].length < shortest) return setProblem(words.short);
    if (changed !== again) return setProblem(words.different);
    setBusy(true);
    const result = await changePassword(old, changed);
    setBusy(false);
    if (result === "changed") {
      inform(words.changed);
      onClose();
      return;
    }
    setProblem({ "wrong-old": words.wrongOld, weak: words.short, failed: words.failed }[result]);
  };
  return (
    <Dialog title={words.passwordTitle} onClose={onClose}>
      <form onSubmit={submit}>
        <PasswordField
          label={words.oldPassword}
          value={old}
          onInput={setOld}
          autocomplete="current-password"
        />
        <PasswordField
          label={words.newPassword}
          value={changed}
          onInput={setChanged}
          autocomplete="new-password"
        />
        <PasswordField
          label={words.newPasswordAgain}
          value={again}
          onInput={setAgain}
          autocomplete="new-password"
        />
        <p class={problem ? "problem" : "hint"} role={problem ? "alert" : undefined}>
          {problem ?? words.passwordHint}
        </p>
        <footer class="dialog-foot">
          <button type="button" data-testid="dialog-cancel" onClick={onClose}>
            {text.general.cancel}
          </button>
          <button type="submit" class="primary" data-testid="dialog-confirm" disabled={busy}>
            {words.change}
          </button>
        </footer>
      </form>
    </Dialog>
  );
}

interface PasswordFieldProps {
  label: string;
  value: string;
  onInput: (value: string) => void;
  autocomplete: "current-password" | "new-password";
}

function PasswordField({ label, value, onInput, autocomplete }: PasswordFieldProps) {
  const id = useId();
  return (
    <>
      <label for={id}>{label}</label>
      <input
        id={id}
        type="password"
        required
        value={value}
        autocomplete={autocomplete}
        onInput={(event) => onInput(event.currentTarget.value)}
      />
    </>
  );
}
