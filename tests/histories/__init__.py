"""Random clouds with random histories, brought in step pass by pass: `python -m tests.histories --seconds 600`."""
