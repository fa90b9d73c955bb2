# The same service as `twistd -n gateway --config gateway.toml`, for `twistd -ny gateway.tac`.
# Other places name their own file: copy this one, or set GATEWAY_CONFIG.

import os

from twisted.application.service import Application

from gateway import tap

here = os.path.dirname(os.path.abspath(__file__))
options = tap.Options()
options.parseOptions(["--config", os.environ.get("GATEWAY_CONFIG", os.path.join(here, "gateway.toml"))])

application = Application("gateway")
tap.makeService(options).setServiceParent(application)
