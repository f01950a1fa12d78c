"""The token loss in PyTorch: from logits to its value and the gradient of the logits."""
import torch


class TokenLoss:
    """Cross-entropy, forward and backward, of labels that are given or drawn from the softmax."""

    def __init__(self, rows, vocabulary, sampled):
        self.logits = torch.empty(rows, vocabulary).uniform_(-4, 4).requires_grad_()
        self.labels = torch.randint(vocabulary, (rows,))
        self.sampled = sampled

    def run(self):
        self.logits.grad = None
        labels = self.labels
        if self.sampled:
            labels = torch.multinomial(torch.softmax(self.logits.detach(), -1), 1).squeeze(1)
        torch.nn.functional.cross_entropy(self.logits, labels).backward()
