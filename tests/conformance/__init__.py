"""What every registered environment must do. Run it on your own benchmark, too:

    HRMGYM_CONFORMANCE=your_module pytest --pyargs hrmgym.tests.conformance

where importing `your_module` calls `hrmgym.envs.register_benchmark`.
"""
