// The code that makes the same call elsewhere. Pictures are read from their files.

import { requestOf } from "./call.js";
import { anthropicMessages, ollamaMessages, openaiMessages } from "./dialects.js";

const TOKEN = "YOUR_TOKEN";

/** What there is code for, by the name that the page has for it. */
export const LANGUAGES = { curl: "curl", openai: "OpenAI (Python)", anthropic: "Anthropic (Python)", ollama: "Ollama (Python)" };

const WRITERS = { curl: writeCurl, openai: writeOpenAI, anthropic: writeAnthropic, ollama: writeOllama };

/** The code for `asked`; `curl` is in `dialect`, all others in their own. What is to be replaced stands for a token, unless one is given. */
export function codeFor(language, dialect, asked, token = TOKEN) {
  const files = asked.turns.flatMap(({ picture }) => picture ?? []).map(({ name }) => name);
  let number = 0;
  const turns = asked.turns.map((turn) => (turn.picture ? { ...turn, picture: { ...turn.picture, data: placeOf(number++) } } : turn));
  return WRITERS[language](location.origin, { ...asked, turns, token }, files, dialect);
}

/** What stands for the bytes of a picture until the language reads its file: of characters for private use. */
const placeOf = (number) => `\uE000${number}\uE001`;

function writeCurl(base, asked, files, dialect) {
  const { path, headers, body } = requestOf(dialect, asked);
  const lines = [
    `curl -N ${shell(base + path)} \\`,
    ...Object.entries({ authorization: `Bearer ${asked.token}`, ...headers }).map(([name, value]) => `  -H ${shell(`${name}: ${value}`)} \\`),
  ];
  if (files.length === 0) return [...lines, `  -d ${shell(body)}`].join("\n");
  const read = body.replace(/[\\$`]/g, "\\$&").replace(/\uE000(\d+)\uE001/g, (_, number) => `$(base64 < ${shell(files[number])} | tr -d '\\n')`);
  return [...lines, "  -d @- <<END", read, "END"].join("\n"); // a picture is longer than an argument may be
}

function writeOpenAI(base, asked, files) {
  const said = { model: asked.model, messages: openaiMessages(asked), temperature: asked.temperature, max_tokens: asked.maxTokens };
  const client = `from openai import OpenAI

${picturesOf(files)}client = OpenAI(base_url=${text(`${base}/v1`)}, api_key=${text(asked.token)})`;
  if (!asked.streamed) {
    return `${client}
reply = client.chat.completions.create(
${args(said)}
)
print(reply.choices[0].message.content)`;
  }
  return `${client}
stream = client.chat.completions.create(
${args(said)}
    stream=True,
)
for chunk in stream:
    if chunk.choices:
        print(chunk.choices[0].delta.content or "", end="", flush=True)`;
}

function writeAnthropic(base, asked, files) {
  const said = args({
    model: asked.model,
    max_tokens: asked.maxTokens ?? 1024,
    system: asked.system,
    temperature: asked.temperature,
    messages: anthropicMessages(asked),
  });
  const client = `from anthropic import Anthropic

${picturesOf(files)}client = Anthropic(base_url=${text(base)}, api_key=${text(asked.token)})`;
  if (!asked.streamed) {
    return `${client}
message = client.messages.create(
${said}
)
print("".join(block.text for block in message.content if block.type == "text"))`;
  }
  return `${client}
with client.messages.stream(
${said}
) as stream:
    for text in stream.text_stream:
        print(text, end="", flush=True)`;
}

function writeOllama(base, asked, files) {
  const options = JSON.parse(JSON.stringify({ temperature: asked.temperature, num_predict: asked.maxTokens }));
  const said = args({ model: asked.model, messages: ollamaMessages(asked), options: Object.keys(options).length ? options : undefined });
  const client = `from ollama import Client

${picturesOf(files)}client = Client(host=${text(base)}, headers={"Authorization": ${text(`Bearer ${asked.token}`)}})`;
  if (!asked.streamed) {
    return `${client}
reply = client.chat(
${said}
)
print(reply.message.content)`;
  }
  return `${client}
for part in client.chat(
${said}
    stream=True,
):
    print(part.message.content, end="", flush=True)`;
}

/** The lines of Python that read the pictures. */
function picturesOf(files) {
  if (files.length === 0) return "";
  const reads = files.map((name, number) => `picture_${number} = b64encode(Path(${text(name)}).read_bytes()).decode()`);
  return ["from base64 import b64encode", "from pathlib import Path", "", ...reads, "", ""].join("\n");
}

/** Arguments of a call in Python, a line each; texts, numbers, lists and objects are written as in JSON. */
function args(values) {
  return Object.entries(values)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `    ${name}=${JSON.stringify(value, null, 4).replaceAll("\n", "\n    ")},`)
    .join("\n")
    .replace(/"([^"]*)\uE000(\d+)\uE001"/g, (_, before, number) => `${before ? `"${before}" + ` : ""}picture_${number}`);
}

const text = (value) => JSON.stringify(value);

/** As one word of a shell. */
const shell = (word) => `'${word.replaceAll("'", String.raw`'\''`)}'`;
