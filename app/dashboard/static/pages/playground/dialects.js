// How a conversation is asked for in each API, and how its answer is read.
//
// Each dialect has a `title`; `path` and `body` of a request for `asked`: {model, system, temperature, maxTokens, streamed, turns},
// where turns are {role: "user" or "assistant", text, picture} and what is empty is undefined; `headers` beside the usual ones; `lines`
// where a stream has a JSON document a line, and no events; and `read` and `readWhole`, which give what one document of the stream, and
// what a reply that is not streamed tells: any of {text, reasoning, error, tokens, cost}.

import { dataUrl } from "./picture.js";

/** The turns as messages: `content` is the text, or the parts of one with a picture, each as the API has it. */
const messages = (turns, textPart, picturePart) => turns.map(({ role, text, picture }) => ({
  role,
  content: picture ? [picturePart(picture), ...(text ? [textPart(text)] : [])] : text,
}));

const system = (asked) => (asked.system ? [{ role: "system", content: asked.system }] : []);

export const openaiMessages = (asked) => [
  ...system(asked),
  ...messages(asked.turns, (text) => ({ type: "text", text }), (picture) => ({ type: "image_url", image_url: { url: dataUrl(picture) } })),
];

export const anthropicMessages = ({ turns }) => messages(
  turns,
  (text) => ({ type: "text", text }),
  ({ type, data }) => ({ type: "image", source: { type: "base64", media_type: type, data } }),
);

export const ollamaMessages = (asked) => [
  ...system(asked),
  ...asked.turns.map(({ role, text, picture }) => ({ role, content: text, images: picture ? [picture.data] : undefined })),
];

/** All texts of `parts`, one after the other. */
const joined = (parts, name = "text") => parts.map((part) => part[name] ?? "").join("");

/** Streams that have no place for a comment tell of their cost beside the usage. */
const COST_IN_CHUNKS = { "x-relay-receipt": "chunk" };

const messageOf = (error) => (error === undefined || error === null ? undefined : (error.message ?? String(error)));

export const DIALECTS = {
  openai: {
    title: "OpenAI Chat Completions",
    path: () => "/v1/chat/completions",
    headers: {},
    body: (asked) => ({
      model: asked.model,
      stream: asked.streamed,
      stream_options: asked.streamed ? { include_usage: true } : undefined,
      temperature: asked.temperature,
      max_tokens: asked.maxTokens,
      messages: openaiMessages(asked),
    }),
    read: ({ choices, error }) => ({
      text: choices?.[0]?.delta?.content,
      reasoning: choices?.[0]?.delta?.reasoning_content ?? choices?.[0]?.delta?.reasoning,
      error: messageOf(error),
    }),
    readWhole: ({ choices }) => {
      const message = choices?.[0]?.message;
      return { text: message?.content, reasoning: message?.reasoning_content ?? message?.reasoning };
    },
  },
  responses: {
    title: "OpenAI Responses",
    path: () => "/v1/responses",
    headers: {},
    body: (asked) => ({
      model: asked.model,
      stream: asked.streamed,
      temperature: asked.temperature,
      max_output_tokens: asked.maxTokens,
      instructions: asked.system,
      input: messages(
        asked.turns,
        (text) => ({ type: "input_text", text }),
        (picture) => ({ type: "input_image", image_url: dataUrl(picture) }),
      ),
    }),
    read: ({ type, delta, message, response }) => ({
      text: type === "response.output_text.delta" ? delta : undefined,
      reasoning: type === "response.reasoning_summary_text.delta" || type === "response.reasoning_text.delta" ? delta : undefined,
      error: type === "error" ? message : messageOf(response?.error),
    }),
    readWhole: ({ output = [], error }) => ({
      text: joined(output.filter(({ type }) => type === "message").flatMap(({ content }) => content)),
      reasoning: joined(output.filter(({ type }) => type === "reasoning").flatMap(({ summary }) => summary ?? [])),
      error: messageOf(error),
    }),
  },
  anthropic: {
    title: "Anthropic Messages",
    path: () => "/v1/messages",
    headers: { "anthropic-version": "2023-06-01" },
    body: (asked) => ({
      model: asked.model,
      stream: asked.streamed,
      temperature: asked.temperature,
      max_tokens: asked.maxTokens ?? 1024, // this API has no request without
      system: asked.system,
      messages: anthropicMessages(asked),
    }),
    read: ({ delta, error }) => ({ text: delta?.text, reasoning: delta?.thinking, error: messageOf(error) }),
    readWhole: ({ content = [] }) => ({ text: joined(content), reasoning: joined(content, "thinking") }),
  },
  gemini: {
    title: "Gemini",
    path: ({ model, streamed }) => `/v1beta/models/${model.split("/").map(encodeURIComponent).join("/")}:${streamed ? "streamGenerateContent?alt=sse" : "generateContent"}`,
    headers: COST_IN_CHUNKS,
    body: (asked) => ({
      systemInstruction: asked.system && { parts: [{ text: asked.system }] },
      contents: asked.turns.map(({ role, text, picture }) => ({
        role: role === "user" ? "user" : "model",
        parts: [...(picture ? [{ inlineData: { mimeType: picture.type, data: picture.data } }] : []), ...(text ? [{ text }] : [])],
      })),
      generationConfig: { temperature: asked.temperature, maxOutputTokens: asked.maxTokens },
    }),
    read: readGemini,
    readWhole: readGemini,
  },
  ollama: {
    title: "Ollama",
    path: () => "/api/chat",
    headers: COST_IN_CHUNKS,
    lines: true,
    body: (asked) => ({
      model: asked.model,
      stream: asked.streamed,
      messages: ollamaMessages(asked),
      options: { temperature: asked.temperature, num_predict: asked.maxTokens },
    }),
    read: readOllama,
    readWhole: readOllama,
  },
};

function readGemini({ candidates, usageMetadata: usage, error }) {
  const parts = candidates?.[0]?.content?.parts ?? [];
  return {
    text: joined(parts.filter((part) => !part.thought)),
    reasoning: joined(parts.filter((part) => part.thought)),
    error: messageOf(error),
    tokens: usage && counts(usage.promptTokenCount, (usage.candidatesTokenCount ?? 0) + (usage.thoughtsTokenCount ?? 0)),
    cost: usage?.cost,
  };
}

function readOllama({ message, error, done, prompt_eval_count: prompt, eval_count: reply, cost }) {
  return {
    text: message?.content,
    reasoning: message?.thinking,
    error: messageOf(error),
    tokens: done ? counts(prompt, reply) : undefined,
    cost,
  };
}

/** As the other dialects' receipts write it. */
function counts(input, output) {
  return `input=${input ?? 0}, output=${output ?? 0}`;
}
