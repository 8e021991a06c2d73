/** Which files can be reference images, by their contents, and why the others can't. Pure but for reading the file. */

import { counted, listed, number } from "./text.js";

/** As the API has them; it checks again. */
const TYPES = ["image/jpeg", "image/png", "image/webp"];
const MOST_BYTES = 30 * 1024 * 1024;
const HEAD_BYTES = 32;
const USABLE = "Use JPEG, PNG or WEBP.";
const KINDS = {
  "image/heic": "is a HEIC photo, as iPhones make them. Export it as JPEG first (on an iPhone: Settings, Camera, Formats, Most Compatible)",
  "image/avif": "is an AVIF image",
  "image/gif": "is a GIF",
  "image/bmp": "is a BMP image",
  "image/tiff": "is a TIFF image",
  "image/svg+xml": "is an SVG drawing",
  "application/pdf": "is a PDF",
  "video/mp4": "is a video",
};
const BY_NAME = { heic: "image/heic", heif: "image/heic", avif: "image/avif", svg: "image/svg+xml", mov: "video/mp4", mp4: "video/mp4", tif: "image/tiff", tiff: "image/tiff" };

/**
 * What can be added, and one message for each reason why something can't.
 * @param {File[]} files
 * @param {number} room how many more references a job can take
 * @param {number} most how many it can take in all
 * @returns {Promise<{taken: {file: File, type: string}[], refusals: string[]}>}
 */
export async function admit(files, room, most) {
  const looked = await Promise.all(files.map(examine));
  const refusals = looked.filter(({ reason }) => reason).map(({ file, reason }) => `${file.name || "The image"} ${reason}`);
  const usable = looked.filter(({ reason }) => !reason);
  const over = usable.slice(Math.max(0, room));
  if (over.length) {
    const names = listed(over.map(({ file }) => file.name || "an image"));
    refusals.push(`A job takes up to ${counted(most, "reference image")}. Not added: ${names}.`);
  }
  return { taken: usable.slice(0, Math.max(0, room)), refusals };
}

/** The media type that the first bytes show; "" where they show none that is known here. @param {Uint8Array} head */
export function sniffed(head) {
  const text = String.fromCharCode(...head);
  if (text.startsWith("\xff\xd8\xff")) return "image/jpeg";
  if (text.startsWith("\x89PNG\r\n\x1a\n")) return "image/png";
  if (text.startsWith("RIFF") && text.slice(8, 12) === "WEBP") return "image/webp";
  if (text.startsWith("GIF8")) return "image/gif";
  if (text.startsWith("BM")) return "image/bmp";
  if (text.startsWith("II*\0") || text.startsWith("MM\0*")) return "image/tiff";
  if (text.startsWith("%PDF")) return "application/pdf";
  if (/^\s*(?:<\?xml|<svg)/.test(text)) return "image/svg+xml";
  if (text.slice(4, 8) !== "ftyp") return "";
  const brands = text.slice(8);
  if (/avi[fs]/.test(brands)) return "image/avif";
  return /hei[cfxms]|hev[cx]|mif1|msf1/.test(brands) ? "image/heic" : "video/mp4";
}

async function examine(file) {
  if (file.size > MOST_BYTES) {
    const size = Math.max(MOST_BYTES / 1024 / 1024 + 0.1, file.size / 1024 / 1024);
    return { file, reason: `is ${number(Number(size.toFixed(1)))} MB. The limit is 30 MB.` };
  }
  let head;
  try {
    head = new Uint8Array(await file.slice(0, HEAD_BYTES).arrayBuffer());
  } catch {
    return { file, reason: "can’t be read. A folder or a file that has changed can’t be used." };
  }
  if (!head.length) return { file, reason: "is empty." };
  const type = sniffed(head);
  if (TYPES.includes(type)) return { file, type };
  const kind = KINDS[type || BY_NAME[/\.(\w+)$/.exec(file.name)?.[1].toLowerCase()]];
  return { file, reason: kind ? `${kind}. ${USABLE}` : `is not a JPEG, PNG or WEBP image. ${USABLE}` };
}
