"""Requests of the shapes that coding agents send; the values are made up."""

from typing import Any

_USER = '{"device_id":"' + "0d" * 32 + '","account_uuid":"","session_id":"d4eae977-b062-403e-a0f6-97936428af35"}'
_PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
_MARK = {"type": "ephemeral"}
_SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {"file_path": {"description": "The absolute path", "type": "string"}},
    "required": ["file_path"],
    "additionalProperties": False,
}
_SYSTEM = [
    {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1.197.41f; cc_entrypoint=sdk-cli;"},
    {"type": "text", "text": "You are an agent.", "cache_control": _MARK},
    {"type": "text", "text": "\nYou help with software.", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
]

CLAUDE_CODE: dict[str, Any] = {
    "model": "claude-opus-4-8",
    "messages": [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "<system-reminder>\nToday is Friday.\n</system-reminder>"},
                {"type": "text", "text": "Read note.txt and pic.png"},
            ],
        },
        {"role": "system", "content": "Available agent types for the Agent tool: claude"},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "I look.", "signature": "c2lnbmF0dXJl"},
                {"type": "text", "text": "I look."},
                {"type": "tool_use", "id": "toolu_01A", "name": "Read", "input": {"file_path": "/w/pic.png"}},
                {"type": "tool_use", "id": "toolu_01B", "name": "Bash", "input": {"command": "cat note.txt"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {
                    "tool_use_id": "toolu_01A",
                    "type": "tool_result",
                    "content": [
                        {
                            "type": "image",
                            "source": {"type": "base64", "data": _PIXEL, "media_type": "image/png"},
                        }
                    ],
                },
                {
                    "tool_use_id": "toolu_01B",
                    "type": "tool_result",
                    "content": "<tool_use_error>No such file</tool_use_error>",
                    "is_error": True,
                    "cache_control": _MARK,
                },
            ],
        },
    ],
    "system": _SYSTEM,
    "tools": [{"name": name, "description": "A tool", "input_schema": _SCHEMA} for name in ("Read", "Bash")],
    "metadata": {"user_id": _USER},
    "max_tokens": 64000,
    "thinking": {"type": "adaptive"},
    "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
    "output_config": {"effort": "high"},
    "stream": True,
}
"""Claude Code in the midst of a task."""

CLAUDE_CODE_SEARCH: dict[str, Any] = {
    "model": "claude-opus-4-8",
    "messages": [{"role": "user", "content": [{"type": "text", "text": "Perform a web search for the query: relays"}]}],
    "system": _SYSTEM[:2],
    "tools": [{"type": "web_search_20250305", "name": "web_search", "max_uses": 8}],
    "tool_choice": {"type": "tool", "name": "web_search"},
    "metadata": {"user_id": _USER},
    "max_tokens": 64000,
    "thinking": {"type": "disabled"},
    "stream": True,
}
"""What it asks beside, to search the web."""

CODEX: dict[str, Any] = {
    "model": "gpt-5.1",
    "input": [
        {
            "type": "message",
            "id": "msg_89ac5164-afee-53a0-83db-053efd411ce5",
            "role": "developer",
            "content": [
                {"type": "input_text", "text": "You are a coding agent."},
                {"type": "input_text", "text": "Be safe."},
            ],
        },
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Read note.txt"}]},
        {"type": "reasoning", "id": "rs_1", "summary": [], "content": None, "encrypted_content": "gAAAAenc"},
        {
            "type": "function_call",
            "status": "completed",
            "id": "fc_1",
            "name": "exec_command",
            "arguments": '{"cmd": "cat note.txt"}',
            "call_id": "call_1",
        },
        {
            "type": "function_call_output",
            "id": "fco_01a20316-1463-7713-83bb-5a827511bab7",
            "call_id": "call_1",
            "output": "Process exited with code 0\nOutput:\nthe word",
        },
    ],
    "tools": [
        {"type": "function", "name": "exec_command", "description": "Run", "strict": False, "parameters": _SCHEMA},
        {
            "type": "namespace",
            "name": "multi_agent_v1",
            "description": "Sub-agents.",
            "tools": [{"type": "function", "name": "close_agent", "strict": False, "parameters": _SCHEMA}],
        },
        {"type": "web_search", "external_web_access": True},
    ],
    "tool_choice": "auto",
    "parallel_tool_calls": True,
    "reasoning": {"effort": "medium", "summary": "auto"},
    "store": False,
    "stream": True,
    "include": ["reasoning.encrypted_content"],
    "prompt_cache_key": "01a20316-12d8-7221-9051-c012766df860",
    "client_metadata": {"thread_id": "01a20316-12d8-7221-9051-c012766df860"},
}
"""Codex in the midst of a task."""

GEMINI_CLI: dict[str, Any] = {
    "contents": [
        {"role": "user", "parts": [{"text": "<session_context>\nThis is a session.\n</session_context>"}]},
        {"role": "user", "parts": [{"text": "Read note.txt"}]},
        {
            "role": "model",
            "parts": [
                {
                    "functionCall": {"id": "call_1", "name": "read_file", "args": {"file_path": "/w/note.txt"}},
                    "thoughtSignature": "skip_thought_signature_validator",
                }
            ],
        },
        {
            "role": "user",
            "parts": [{"functionResponse": {"id": "call_1", "name": "read_file", "response": {"output": "the word"}}}],
        },
    ],
    "systemInstruction": {"role": "user", "parts": [{"text": "You are an agent."}]},
    "tools": [
        {"functionDeclarations": [{"name": "read_file", "description": "Reads", "parametersJsonSchema": _SCHEMA}]}
    ],
    "generationConfig": {
        "temperature": 1,
        "topP": 0.95,
        "topK": 64,
        "thinkingConfig": {"includeThoughts": True, "thinkingBudget": 8192},
    },
}
"""Gemini CLI in the midst of a task."""
