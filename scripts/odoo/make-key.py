"""For `odoo shell`: makes an API key for the administrator and writes it where VERTEBRA_KEY_FILE says."""

import os
from pathlib import Path

user = env.ref("base.user_admin")  # noqa: F821: the shell provides `env`
key = env["res.users.apikeys"].with_user(user)._generate("rpc", "vertebra, local", None)  # noqa: F821
env.cr.commit()  # noqa: F821
path = Path(os.environ["VERTEBRA_KEY_FILE"])
path.touch(mode=0o600)
path.write_text(key)
