"""An independent checker of certificates: `python -m pocketnn.check FILE [WEIGHTS]`.

It shares no code with the prover, nor with the network. Of pocketnn it uses the op table alone: what each op's exact
value is for given integers (`exact`), and which shape its result has (`shape`). It verifies

- that the certificate is whole and consistent, of this arithmetic, and of a machine that there is (`certificate`);
- that its steps are the program that its claim is about, from each load to each value that training carries
  (`wiring`, against `network` and `training`, which describe a PocketNN step a second time);
- that whatever integers the loads bring in within the claim, no result leaves its range or its register (`inclusion`,
  by what `meanings` knows of each op; an op that it does not know is refused);
- that all that a training step carries is, after it, within what was assumed before it: so in any number of steps.
"""

from pocketnn.check.certificate import SCHEMA, Checked, check, digest_of

__all__ = ["SCHEMA", "Checked", "check", "digest_of"]
