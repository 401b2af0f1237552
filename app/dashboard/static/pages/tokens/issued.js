// A token's text, which is shown this once, with the code that uses it.

import { closeDialog, component, copy, showDialog } from "../../relay.js";

const SAMPLES = {
  curl: (base, token, model) => `curl ${base}/v1/chat/completions \\
  -H "Authorization: Bearer ${token}" \\
  -H "Content-Type: application/json" \\
  -d '{"model": "${model}", "messages": [{"role": "user", "content": "Hello"}]}'`,
  OpenAI: (base, token, model) => `from openai import OpenAI

client = OpenAI(base_url="${base}/v1", api_key="${token}")
reply = client.chat.completions.create(
    model="${model}",
    messages=[{"role": "user", "content": "Hello"}],
)
print(reply.choices[0].message.content)`,
  Anthropic: (base, token, model) => `from anthropic import Anthropic

client = Anthropic(base_url="${base}", api_key="${token}")
reply = client.messages.create(
    model="${model}",
    max_tokens=1024,
    messages=[{"role": "user", "content": "Hello"}],
)
print(reply.content[0].text)`,
  Ollama: (base, token, model) => `from ollama import Client

client = Client(host="${base}", headers={"Authorization": "Bearer ${token}"})
reply = client.chat(model="${model}", messages=[{"role": "user", "content": "Hello"}])
print(reply.message.content)`,
};

component("issued", () => ({
  words: "",
  text: "",
  model: "demo",
  sample: "curl",
  kinds: Object.keys(SAMPLES),

  get code() { return SAMPLES[this.sample](location.origin, this.text, this.model); },

  open(issued) {
    this.words = issued.words;
    this.text = issued.text;
    this.model = issued.token.models.find((name) => !/[*?]/.test(name)) ?? "demo";
    this.sample = "curl";
    showDialog("issued-token");
  },

  /** The text is gone with the dialog. */
  close() {
    closeDialog("issued-token");
    this.text = "";
  },

  pick(kind) { this.sample = kind; },
  isPicked(kind) { return this.sample === kind; },
  copyText() { copy(this.text); },
  copyCode() { copy(this.code); },
}));
