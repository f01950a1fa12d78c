"""The token loss in PyTorch: from logits to its value and the gradient of the logits."""
import torch


class TokenLoss:
    """Cross-entropy, forward and backward, of labels that are given or drawn from the softmax."""

    def __init__(self, rows, vocabulary, sampled, keep, device):
        self.logits = torch.empty(rows, vocabulary, device=device).uniform_(-4, 4).requires_grad_()
        self.original = self.logits.detach().clone() if keep else None
        self.labels = torch.randint(vocabulary, (rows,), device=device)
        self.sampled = sampled

    def reset(self):
        """Writes the logits, as a model does before each loss, and as ours must, whose gradient takes their place."""
        if self.original is not None:
            with torch.no_grad():
                self.logits.copy_(self.original)

    def run(self):
        self.logits.grad = None
        labels = self.labels
        if self.sampled:
            labels = torch.multinomial(torch.softmax(self.logits.detach(), -1), 1).squeeze(1)
        torch.nn.functional.cross_entropy(self.logits, labels).backward()
