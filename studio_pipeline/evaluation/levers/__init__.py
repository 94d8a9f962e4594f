"""Effects of levers: sweeps over each lever, signs of responses, and errors against the true effects."""
