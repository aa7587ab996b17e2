import { expect, test } from "vitest";
import { sizeText } from "./sizes";

test("sizes are short", () => {
  expect(sizeText(0)).toBe("0 B");
  expect(sizeText(1023)).toBe("1,023 B");
  expect(sizeText(1536)).toBe("1.5 KB");
  expect(sizeText(100 * 1024 * 1024)).toBe("100 MB");
  expect(sizeText(1024 ** 3)).toBe("1 GB");
});
