// A line between two panels that can be dragged, and moved by arrow keys (WAI-ARIA window splitter).
import { useRef } from "preact/hooks";

interface SplitterProps {
  label: string;
  /** How it lies: a vertical line parts left from right. */
  orientation: "vertical" | "horizontal";
  value: number;
  minimum: number;
  maximum: number;
  step: number;
  /** How much of a value one pixel to the right or down is. */
  perPixel: () => number;
  onChange: (value: number) => void;
}

export function Splitter(props: SplitterProps) {
  const { label, orientation, value, minimum, maximum, step, perPixel, onChange } = props;
  const drag = useRef<{ at: number; value: number } | null>(null);
  const clamp = (wanted: number) => Math.min(maximum, Math.max(minimum, wanted));
  const place = (event: PointerEvent) => (orientation === "vertical" ? event.clientX : event.clientY);
  const sign = () =>
    orientation === "vertical" && getComputedStyle(document.body).direction === "rtl" ? -1 : 1;
  const onKeyDown = (event: KeyboardEvent) => {
    const [less, more] = orientation === "vertical" ? ["ArrowLeft", "ArrowRight"] : ["ArrowUp", "ArrowDown"];
    const pixels = event.key === more ? step : event.key === less ? -step : 0;
    if (pixels !== 0) onChange(clamp(value + pixels * perPixel() * sign()));
    else if (event.key === "Home") onChange(minimum);
    else if (event.key === "End") onChange(maximum);
    else return;
    event.preventDefault();
  };
  return (
    <div
      class={`splitter ${orientation}`}
      role="separator"
      tabIndex={0}
      aria-label={label}
      aria-orientation={orientation}
      aria-valuemin={Math.round(minimum * 100) / 100}
      aria-valuemax={Math.round(maximum * 100) / 100}
      aria-valuenow={Math.round(value * 100) / 100}
      onKeyDown={onKeyDown}
      onPointerDown={(event) => {
        event.currentTarget.setPointerCapture(event.pointerId);
        drag.current = { at: place(event), value };
        event.preventDefault();
      }}
      onPointerMove={(event) => {
        const begun = drag.current;
        if (begun) onChange(clamp(begun.value + (place(event) - begun.at) * perPixel() * sign()));
      }}
      onPointerUp={() => (drag.current = null)}
      onPointerCancel={() => (drag.current = null)}
    />
  );
}
