"""OARS: the method. PyTorch, diffusers and transformers only; imports no Ray, no vLLM, no DeepSpeed."""
