"""YAML files to frozen, validated components: see `archsim.config.loading`."""
