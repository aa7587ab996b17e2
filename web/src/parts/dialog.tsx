// Dialogs: the native <dialog>, which holds the focus, closes with Esc and gives the focus back.
import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";
import { text } from "../text";
import { CloseIcon } from "./icons";

export interface DialogProps {
  title: string;
  onClose: () => void;
  children: ComponentChildren;
  class?: string;
  /** A question that has to be answered: no Esc, no cross. */
  firm?: boolean;
}

export function Dialog({ title, onClose, children, class: extra = "", firm = false }: DialogProps) {
  const element = useRef<HTMLDialogElement>(null);
  const heading = useId();
  useEffect(() => {
    const before = document.activeElement;
    element.current?.showModal();
    return () => {
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, []);
  return (
    <dialog
      ref={element}
      class={`dialog ${extra}`}
      aria-labelledby={heading}
      onCancel={(event) => {
        event.preventDefault();
        if (!firm) onClose();
      }}
      onClose={() => {
        // A browser lets a second Esc close any dialog.
        if (firm) element.current?.showModal();
        else onClose();
      }}
      onPointerDown={(event) => {
        if (!firm && event.target === element.current) onClose();
      }}
    >
      <div class="dialog-body">
        <header class="dialog-head">
          <h2 id={heading}>{title}</h2>
          {!firm && (
            <button type="button" class="quiet square" onClick={onClose} aria-label={text.general.close}>
              <CloseIcon />
            </button>
          )}
        </header>
        {children}
      </div>
    </dialog>
  );
}
