"""What a task is: prompt, correct notebook, planted bugs, data, checks."""
