"""Records what transformers makes of conversations with the chat templates beside this file.

    python record.py

Needs transformers 5. recorded.json has for each template and conversation the text, or that it is refused, and where
`{% generation %}` stood in it, in characters.
"""

import datetime
import json
from pathlib import Path

from transformers.utils import chat_template_utils


class FixedDay:
    """In place of the class whose `now` templates ask for."""

    @staticmethod
    def now():
        return datetime.datetime(2024, 7, 26)


def turns(*contents):
    roles = ["user", "assistant"]
    return [{"role": roles[i % 2], "content": content} for i, content in enumerate(contents)]


def system(content, messages):
    return [{"role": "system", "content": content}, *messages]


conversations = {
    "one turn": turns("Who lit the lamp?", "The keeper."),
    "a system": system("Be brief.", turns("Who?", "He.")),
    "three turns": turns("a1", "b1", "a2", "b2", "a3", "b3"),
    "white space": turns(" Who? \n", "\n  The keeper \n", "\tand\u2028", "\x85\ufeffnobody \x1c"),
    "odd characters": turns("<é>&\"' 漢😀 {{ x }} {% y %}", "😀 [/ASK] </s> '</think"),
    "thoughts": turns("q", "<think>\nhm\n</think>\n\n the answer", "q2", "<think>\ntwo\n</think>\n\n\nit"),
    "no turn of the user": [{"role": "assistant", "content": "Hello."}],
    "the user twice": [*turns("a", "b"), *turns("c"), *turns("d", "e")],
}

variables = {"bos_token": "<s>", "eos_token": "</s>", "date_string": "26 Jul 2024", "enable_thinking": False}


def main():
    chat_template_utils.datetime = FixedDay
    folder = Path(__file__).parent
    records = []
    for path in sorted(folder.glob("*.jinja")):
        template = path.read_text(encoding="utf-8")
        for name, messages in conversations.items():
            for with_prompt in (False, True):
                some = messages[:-1] if with_prompt else messages
                if not some:
                    continue
                record = {"template": path.name, "conversation": name, "withPrompt": with_prompt}
                try:
                    texts, spans = chat_template_utils.render_jinja_template(
                        [some],
                        chat_template=template,
                        add_generation_prompt=with_prompt,
                        return_assistant_tokens_mask="endgeneration" in template,
                        **variables,
                    )
                    record["text"] = texts[0]
                    if spans:
                        record["generated"] = spans[0]
                except Exception:
                    record["refused"] = True
                records.append(record)
    content = {"variables": variables, "conversations": conversations, "records": records}
    lines = json.dumps(content, ensure_ascii=True, indent=1) + "\n"
    (folder / "recorded.json").write_text(lines, encoding="utf-8")


if __name__ == "__main__":
    main()
