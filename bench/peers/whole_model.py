"""Whole-model work with transformers, as its users write it. Ids of tokens are given, so that both sides see the same."""
import torch


def load(folder, dtype, device):
    from transformers import AutoModelForCausalLM  # where it is missing, other cases still run

    return AutoModelForCausalLM.from_pretrained(folder, dtype=dtype).to(device)


def padded(sequences, side, device):
    """Ids [sequences, longest] and their mask: 0 where a shorter sequence was filled up."""
    longest = max(map(len, sequences))
    ids = torch.zeros(len(sequences), longest, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, tokens in enumerate(sequences):
        place = slice(None, len(tokens)) if side == "right" else slice(longest - len(tokens), None)
        ids[row, place] = torch.tensor(tokens)
        mask[row, place] = 1
    return ids.to(device), mask.to(device)


class TrainingStep:
    """Forward with labels of -100 on questions and padding, backward, and what the Trainer takes by default: fused AdamW,
    no cache of keys and values, gradients given up after the step."""

    def __init__(self, folder, dtype, sequences, questions, learning_rate, device):
        self.model = load(folder, dtype, device).train()
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=learning_rate, fused=True)
        ids, mask = padded(sequences, "right", device)
        labels = ids.masked_fill(mask == 0, -100)
        for row, question in enumerate(questions):
            labels[row, :question] = -100
        self.batch = {"input_ids": ids, "attention_mask": mask, "labels": labels, "use_cache": False}

    def run(self):
        loss = self.model(**self.batch).loss
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.result = loss.item()


class Generation:
    """Greedy, padded at the left, with the default cache, to the last new token: no token ends it."""

    def __init__(self, folder, dtype, prompts, new_tokens, device):
        self.model = load(folder, dtype, device).eval()
        self.model.generation_config.eos_token_id = None
        ids, mask = padded(prompts, "left", device)
        self.options = {
            "input_ids": ids,
            "attention_mask": mask,
            "max_new_tokens": new_tokens,
            "do_sample": False,
            "pad_token_id": 0,
        }

    def run(self):
        generated = self.model.generate(**self.options)
        self.result = generated[:, self.options["input_ids"].shape[1] :].numel()
