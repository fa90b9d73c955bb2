"""The public test kit: scripted peers, playbooks and builders."""
