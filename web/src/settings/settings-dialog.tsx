import { useId } from "preact/hooks";
import { Dialog } from "../parts/dialog";
import { text } from "../text";
import { change, fontSizes, settings, themes } from "./settings";

const words = text.settings;

export function SettingsDialog({ onClose }: { onClose: () => void }) {
  const { theme, fontSize, wrap, screenReader } = settings.value;
  const sizeId = useId();
  return (
    <Dialog title={words.title} onClose={onClose} class="settings">
      <fieldset class="choices">
        <legend>{words.theme}</legend>
        {themes.map((name) => (
          <label key={name} class="choice">
            <input
              type="radio"
              name="theme"
              checked={theme === name}
              data-testid={`theme-${name}`}
              onChange={() => change({ theme: name })}
            />
            {words.themes[name]}
          </label>
        ))}
      </fieldset>
      <div class="setting">
        <span id={sizeId}>{words.fontSize}</span>
        <div class="stepper" role="group" aria-labelledby={sizeId}>
          <button
            aria-label={words.smaller}
            disabled={fontSize <= fontSizes.smallest}
            onClick={() => change({ fontSize: Math.max(fontSizes.smallest, fontSize - fontSizes.step) })}
          >
            −
          </button>
          <output>{fontSize}</output>
          <button
            aria-label={words.larger}
            disabled={fontSize >= fontSizes.largest}
            onClick={() => change({ fontSize: Math.min(fontSizes.largest, fontSize + fontSizes.step) })}
          >
            +
          </button>
        </div>
      </div>
      <Switch label={words.wrap} value={wrap} onChange={(value) => change({ wrap: value })} />
      <Switch
        label={words.screenReader}
        hint={words.screenReaderHint}
        value={screenReader}
        onChange={(value) => change({ screenReader: value })}
      />
      <footer class="dialog-foot">
        <button class="primary" data-testid="dialog-confirm" onClick={onClose}>
          {text.general.close}
        </button>
      </footer>
    </Dialog>
  );
}

interface SwitchProps {
  label: string;
  hint?: string;
  value: boolean;
  onChange: (value: boolean) => void;
}

const Switch = ({ label, hint, value, onChange }: SwitchProps) => (
  <label class="setting">
    <span>
      {label}
      {hint && <small class="hint">{hint}</small>}
    </span>
    <input
      type="checkbox"
      role="switch"
      checked={value}
      onChange={(event) => onChange(event.currentTarget.checked)}
    />
  </label>
);
