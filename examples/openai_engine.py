"""The unmodified `openai` package against a gateway whose model is an external engine's.

    pip install openai
    python examples/openai_engine.py http://127.0.0.1:8080 sk-fonte-... NAME:open "What does it say about ...?"
"""

import sys

from openai import APIStatusError, OpenAI

url, key, model, question = sys.argv[1:5]
client = OpenAI(base_url=url + "/v1", api_key=key)
messages = [{"role": "user", "content": question}]

# Whole: citations, the receipt, log-probabilities where the engine tells them.
answer = client.chat.completions.create(
    model=model, messages=messages, max_tokens=200, temperature=0.2, seed=7, logprobs=True, top_logprobs=2
)
choice = answer.choices[0]
print("answer:", choice.message.content, f"({choice.finish_reason})")
for annotation in choice.message.annotations:
    cited = annotation.url_citation
    print("  cites:", cited.title, repr(choice.message.content[cited.start_index : cited.end_index][:60]))
fonte = answer.model_extra["fonte"]
print("receipt:", fonte["receipt"], fonte["class"], fonte["fee_wei"], "wei;", answer.usage.total_tokens, "tokens")
if choice.logprobs:
    first = choice.logprobs.content[0]
    print("first token:", repr(first.token), first.logprob, [top.token for top in first.top_logprobs])
    assert choice.message.content.startswith("".join(entry.token for entry in choice.logprobs.content[:3]))

# A stream says the same, seed for seed, as far as the engine repeats itself.
text, receipt = "", None
with client.chat.completions.create(
    model=model, messages=messages, max_tokens=200, stream=True, stream_options={"include_usage": True}
) as stream:
    for chunk in stream:
        if chunk.choices:
            text += chunk.choices[0].delta.content or ""
        receipt = ((chunk.model_extra or {}).get("fonte") or {}).get("receipt") or receipt
        usage = chunk.usage
print("stream:", len(text), "characters,", receipt, usage.total_tokens, "tokens")
assert text and receipt

# A stop text, several answers, a text continued.
stopped = client.chat.completions.create(model=model, messages=messages, stop=["."]).choices[0].message.content
assert "." not in stopped, stopped
several = client.chat.completions.create(model=model, messages=messages, n=2)
receipts = {choice.model_extra["fonte"]["receipt"] for choice in several.choices}
assert len(receipts) == 2, several
try:
    continued = client.completions.create(model=model, prompt=question, max_tokens=50)
    print("continued:", repr(continued.choices[0].text[:60]))
except APIStatusError as error:
    print("the engine continues no texts:", error.message)

# Refusals are what an OpenAI client expects.
for options in [{"temperature": 3}, {"tools": [{"type": "function", "function": {"name": "f"}}]}, {"max_tokens": 0}]:
    try:
        client.chat.completions.create(model=model, messages=messages, **options)
        raise SystemExit(f"{options} were taken")
    except APIStatusError as error:
        print("refused:", error.status_code, error.code, error.param)
        assert error.status_code == 400
print("ok")
