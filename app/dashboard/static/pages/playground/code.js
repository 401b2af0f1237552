// The code that makes the same call elsewhere. A token stands in none of it.

import { requestOf } from "./call.js";

const TOKEN = "YOUR_TOKEN";

/** What there is code for, by the name that the page has for it. */
export const LANGUAGES = { curl: "curl", openai: "OpenAI (Python)", anthropic: "Anthropic (Python)", ollama: "Ollama (Python)" };

const WRITERS = { curl: writeCurl, openai: writeOpenAI, anthropic: writeAnthropic, ollama: writeOllama };

/** The code for `asked`; `curl` is in `dialect`, all others in their own. */
export function codeFor(language, dialect, asked) {
  return WRITERS[language](location.origin, asked, dialect);
}

function writeCurl(base, asked, dialect) {
  const { path, headers, body } = requestOf(dialect, asked);
  const all = { authorization: `Bearer ${TOKEN}`, ...headers };
  return [
    `curl -N ${shell(base + path)} \\`,
    ...Object.entries(all).map(([name, value]) => `  -H ${shell(`${name}: ${value}`)} \\`),
    `  -d ${shell(body)}`,
  ].join("\n");
}

function writeOpenAI(base, asked) {
  const messages = [...(asked.system ? [{ role: "system", content: asked.system }] : []), ...messagesOf(asked)];
  return `from openai import OpenAI

client = OpenAI(base_url=${text(`${base}/v1`)}, api_key="${TOKEN}")
stream = client.chat.completions.create(
${args({ model: asked.model, messages, temperature: asked.temperature, max_tokens: asked.maxTokens })}
    stream=True,
)
for chunk in stream:
    if chunk.choices:
        print(chunk.choices[0].delta.content or "", end="", flush=True)`;
}

function writeAnthropic(base, asked) {
  const said = { model: asked.model, max_tokens: asked.maxTokens ?? 1024, system: asked.system, temperature: asked.temperature };
  return `from anthropic import Anthropic

client = Anthropic(base_url=${text(base)}, api_key="${TOKEN}")
with client.messages.stream(
${args({ ...said, messages: messagesOf(asked) })}
) as stream:
    for text in stream.text_stream:
        print(text, end="", flush=True)`;
}

function writeOllama(base, asked) {
  const messages = [...(asked.system ? [{ role: "system", content: asked.system }] : []), ...messagesOf(asked)];
  const options = JSON.parse(JSON.stringify({ temperature: asked.temperature, num_predict: asked.maxTokens }));
  return `from ollama import Client

client = Client(host=${text(base)}, headers={"Authorization": "Bearer ${TOKEN}"})
for part in client.chat(
${args({ model: asked.model, messages, options: Object.keys(options).length ? options : undefined })}
    stream=True,
):
    print(part.message.content, end="", flush=True)`;
}

const messagesOf = ({ turns }) => turns.map(({ role, text: content }) => ({ role, content }));

/** Arguments of a call in Python, a line each; texts, numbers, lists and objects are written as in JSON. */
function args(values) {
  return Object.entries(values)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `    ${name}=${JSON.stringify(value, null, 4).replaceAll("\n", "\n    ")},`)
    .join("\n");
}

const text = (value) => JSON.stringify(value);

/** As one word of a shell. */
const shell = (word) => `'${word.replaceAll("'", String.raw`'\''`)}'`;
