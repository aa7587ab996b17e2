import { Dialog } from "../parts/dialog";
import { text } from "../text";

export const ShortcutsDialog = ({ onClose }: { onClose: () => void }) => (
  <Dialog title={text.shortcuts.title} onClose={onClose} class="wide">
    <div class="shortcuts">
      {text.shortcuts.sections.map(({ title, keys }) => (
        <section key={title}>
          <h3>{title}</h3>
          <dl>
            {keys.map(([key, meaning]) => (
              <div key={key}>
                <dt>
                  <kbd>{key}</kbd>
                </dt>
                <dd>{meaning}</dd>
              </div>
            ))}
          </dl>
        </section>
      ))}
    </div>
  </Dialog>
);
