// A picture that goes with a message, as each API has it: its bytes in base64, and which kind it is.

const MOST_BYTES = 5_000_000; // what the strictest of the providers takes
export const KINDS = ["image/png", "image/jpeg", "image/gif", "image/webp"];

/** What a file holds: {name, type, data}, where `data` is base64. Throws an Error that says why it cannot be sent. */
export async function readPicture(file) {
  if (!KINDS.includes(file.type)) throw new Error("Only PNG, JPEG, GIF and WebP can be attached.");
  if (file.size > MOST_BYTES) throw new Error("This picture has more than 5 MB, which not every model takes.");
  const url = await new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(new Error("This file cannot be read."));
    reader.readAsDataURL(file);
  });
  return { name: file.name, type: file.type, data: url.slice(url.indexOf(",") + 1) };
}

/** A picture as an address that holds all of it. */
export const dataUrl = ({ type, data }) => `data:${type};base64,${data}`;
