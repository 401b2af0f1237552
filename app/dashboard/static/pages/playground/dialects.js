// How a conversation is asked for in each API, and how its answer is read.
//
// Each dialect has a `title`; `path` and `body` of a request for `asked`: {model, system, temperature, maxTokens, turns}, where turns
// are {role: "user" or "assistant", text} and what is empty is undefined; `headers` beside the usual ones; `lines` where a stream has
// a JSON document a line, and no events; and `read`, which gives what one document of the stream tells: any of {text, reasoning, error,
// tokens, cost}.

const chatMessages = ({ system, turns }) => [
  ...(system ? [{ role: "system", content: system }] : []),
  ...turns.map(({ role, text }) => ({ role, content: text })),
];

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
      stream: true,
      stream_options: { include_usage: true },
      temperature: asked.temperature,
      max_tokens: asked.maxTokens,
      messages: chatMessages(asked),
    }),
    read: ({ choices, error }) => ({
      text: choices?.[0]?.delta?.content,
      reasoning: choices?.[0]?.delta?.reasoning_content ?? choices?.[0]?.delta?.reasoning,
      error: messageOf(error),
    }),
  },
  responses: {
    title: "OpenAI Responses",
    path: () => "/v1/responses",
    headers: {},
    body: (asked) => ({
      model: asked.model,
      stream: true,
      temperature: asked.temperature,
      max_output_tokens: asked.maxTokens,
      instructions: asked.system,
      input: asked.turns.map(({ role, text }) => ({ role, content: text })),
    }),
    read: ({ type, delta, message, response }) => ({
      text: type === "response.output_text.delta" ? delta : undefined,
      reasoning: type === "response.reasoning_summary_text.delta" || type === "response.reasoning_text.delta" ? delta : undefined,
      error: type === "error" ? message : messageOf(response?.error),
    }),
  },
  anthropic: {
    title: "Anthropic Messages",
    path: () => "/v1/messages",
    headers: { "anthropic-version": "2023-06-01" },
    body: (asked) => ({
      model: asked.model,
      stream: true,
      temperature: asked.temperature,
      max_tokens: asked.maxTokens ?? 1024, // this API has no request without
      system: asked.system,
      messages: asked.turns.map(({ role, text }) => ({ role, content: text })),
    }),
    read: ({ delta, error }) => ({ text: delta?.text, reasoning: delta?.thinking, error: messageOf(error) }),
  },
  gemini: {
    title: "Gemini",
    path: ({ model }) => `/v1beta/models/${model.split("/").map(encodeURIComponent).join("/")}:streamGenerateContent?alt=sse`,
    headers: COST_IN_CHUNKS,
    body: (asked) => ({
      systemInstruction: asked.system && { parts: [{ text: asked.system }] },
      contents: asked.turns.map(({ role, text }) => ({ role: role === "user" ? "user" : "model", parts: [{ text }] })),
      generationConfig: { temperature: asked.temperature, maxOutputTokens: asked.maxTokens },
    }),
    read: ({ candidates, usageMetadata: usage, error }) => {
      const parts = candidates?.[0]?.content?.parts ?? [];
      const joined = (thought) => parts.filter((part) => Boolean(part.thought) === thought).map((part) => part.text ?? "").join("");
      return {
        text: joined(false),
        reasoning: joined(true),
        error: messageOf(error),
        tokens: usage && counts(usage.promptTokenCount, (usage.candidatesTokenCount ?? 0) + (usage.thoughtsTokenCount ?? 0)),
        cost: usage?.cost,
      };
    },
  },
  ollama: {
    title: "Ollama",
    path: () => "/api/chat",
    headers: COST_IN_CHUNKS,
    lines: true,
    body: (asked) => ({
      model: asked.model,
      stream: true,
      messages: chatMessages(asked),
      options: { temperature: asked.temperature, num_predict: asked.maxTokens },
    }),
    read: (line) => ({
      text: line.message?.content,
      reasoning: line.message?.thinking,
      error: messageOf(line.error),
      tokens: line.done ? counts(line.prompt_eval_count, line.eval_count) : undefined,
      cost: line.cost,
    }),
  },
};

/** As the other dialects' receipts write it. */
function counts(input, output) {
  return `input=${input ?? 0}, output=${output ?? 0}`;
}
