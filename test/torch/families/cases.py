"""All cases: the modules add theirs as they are imported."""

import cases_gemma  # noqa: F401
import cases_gpt  # noqa: F401
import cases_llama  # noqa: F401
import cases_phi  # noqa: F401
from describe import CASES, LENGTHS, NEW_TOKENS, PROMPTS

__all__ = ["CASES", "LENGTHS", "NEW_TOKENS", "PROMPTS"]
