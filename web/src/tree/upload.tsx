// Uploads: one file after the other by HTTP PUT, with progress, a question before anything is replaced, and Cancel.
import { signal } from "@preact/signals";
import { inform, warn } from "../parts/notices";
import { fileAddress, joinPath } from "../parts/paths";
import { confirm } from "../parts/questions";
import { limits } from "../protocol";
import { text } from "../text";

const words = text.upload;

interface Upload {
  name: string;
  percent: number;
  cancel: () => void;
}

const current = signal<Upload | null>(null);

/** Lets the person choose files from their own computer. */
export function offerFiles(take: (files: File[]) => void): void {
  const input = document.createElement("input");
  input.type = "file";
  input.multiple = true;
  input.onchange = () => take([...(input.files ?? [])]);
  input.click();
}

export async function uploadFiles(
  classSlug: string,
  folder: string,
  files: readonly File[],
  taken: ReadonlySet<string>,
): Promise<void> {
  let done = 0;
  for (const file of files) {
    if (file.size > limits.upload) {
      warn(words.tooLarge(file.name, `${limits.upload / 1024 / 1024} MB`));
      continue;
    }
    let overwrite = taken.has(file.name);
    if (overwrite && !(await askToReplace(file.name, folder))) continue;
    let status = await put(classSlug, folder, file, overwrite);
    if (status === 409 && !overwrite) {
      overwrite = await askToReplace(file.name, folder);
      if (!overwrite) continue;
      status = await put(classSlug, folder, file, true);
    }
    if (status === "cancelled") break;
    if (status >= 200 && status < 300) done++;
    else warn(uploadProblem(status, file.name, folder));
  }
  if (done > 0) inform(words.done(done, folder));
}

const askToReplace = (name: string, folder: string) =>
  confirm({
    title: text.fileDialog.replaceTitle(name),
    body: [text.fileDialog.replaceBody(folder)],
    action: text.fileDialog.replace,
    cancel: text.fileDialog.skip,
  });

function uploadProblem(status: number, name: string, folder: string): string {
  if (status === 403) return words.forbidden(folder);
  if (status === 413) return words.tooLarge(name, `${limits.upload / 1024 / 1024} MB`);
  return status === 507 ? words.full(name) : words.failed(name);
}

/** XMLHttpRequest, because fetch does not tell how much was sent. */
function put(
  classSlug: string,
  folder: string,
  file: File,
  overwrite: boolean,
): Promise<number | "cancelled"> {
  const address = fileAddress(classSlug, joinPath(folder, file.name));
  const request = new XMLHttpRequest();
  request.open("PUT", overwrite ? `${address}?overwrite=1` : address);
  const upload: Upload = { name: file.name, percent: 0, cancel: () => request.abort() };
  current.value = upload;
  request.upload.onprogress = ({ loaded, total }) => {
    current.value = { ...upload, percent: total > 0 ? Math.floor((100 * loaded) / total) : 0 };
  };
  return new Promise((resolve) => {
    const finish = (status: number | "cancelled") => {
      current.value = null;
      resolve(status);
    };
    request.onload = () => finish(request.status);
    request.onerror = () => finish(0);
    request.onabort = () => finish("cancelled");
    request.send(file);
  });
}

export function UploadProgress() {
  const upload = current.value;
  if (!upload) return null;
  return (
    <div class="upload-progress">
      <label>
        <span>{words.progress(upload.name, upload.percent)}</span>
        <progress max={100} value={upload.percent} />
      </label>
      <button class="small" onClick={upload.cancel}>
        {words.cancel}
      </button>
    </div>
  );
}
