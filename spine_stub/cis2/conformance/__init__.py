"""What an application does right and wrong under CIS2: rules, what was observed, active probes, and the report."""
